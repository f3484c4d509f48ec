"""Batches of random clips out of a data set, its token cache, or both. Knows no model.

A batch is a function of its number alone, so the position in the data is nothing but a number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from genieredux.episodes import Dataset, TokenCache, WindowSampler
from genieredux.frames import to_tensor
from genieredux.models.types import Batch
from genieredux.training.config import DataConfig


class DataSource(Protocol):
    """Where batches come from.

    `batch(k)` is a pure function: the same k = 0, 1, ... gives the same host tensors whatever was asked before, from
    any thread. Update number `step` (from 1) learns from the micro-batches (step - 1) * grad_accum and on; a validation
    takes the batches 0, 1, ... each time. Frames may be uint8 (B, T, C, H, W): they are scaled on the device.
    """

    def batch(self, k: int) -> Batch: ...


@dataclass(frozen=True)
class ClipSource:
    """The windows of a sampler: frames uint8 (B, T, 3, H, W) of a data set, tokens (B, T, h, w) of a cache of the same
    episodes, or both, and actions (B, T-1)."""

    sampler: WindowSampler
    frames: Dataset | None = None
    tokens: TokenCache | None = None

    def batch(self, k: int) -> Batch:
        """Batch number k."""
        windows = (*self.sampler.batch_arrays(k), self.sampler.num_frames)
        batch = Batch()
        if self.frames is not None:
            pixels, actions = self.frames.windows(*windows)
            batch.frames, batch.actions = to_tensor(pixels), torch.from_numpy(actions)
        if self.tokens is not None:
            tokens, actions = self.tokens.windows(*windows)
            batch.tokens, batch.actions = torch.from_numpy(tokens), torch.from_numpy(actions)
        return batch


@dataclass(frozen=True)
class Place:
    """Which process this is, of how many."""

    rank: int = 0
    world_size: int = 1


ALONE = Place()


def make_samplers(
    training: Sequence[int] | np.ndarray,
    held_out: Sequence[int] | np.ndarray,
    cfg: DataConfig,
    seed: int,
    place: Place = ALONE,
    stride: int = 1,
) -> tuple[WindowSampler, WindowSampler]:
    """Of training and of validation, from the lengths of their episodes; stride as WindowSampler has it.

    Raises UserError where no episode is long enough.
    """
    of = (cfg.num_frames, cfg.batch_size)
    where = (place.rank, place.world_size, stride)
    return WindowSampler(training, *of, seed, *where), WindowSampler(held_out, *of, 0, *where)
