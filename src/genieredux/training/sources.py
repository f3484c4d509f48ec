"""Training batches out of a data set or its token cache. Knows no model.

Update `step` (from 1) trains on the batches (step - 1) * grad_accum + micro of a window sampler, so that the
data position is nothing but the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genieredux.episodes import Dataset, TokenCache, TokenWindows, Windows, WindowSampler
from genieredux.errors import UserError
from genieredux.models.types import Batch
from genieredux.training.config import TrainConfig

HELD_OUT = 0.05  # share of the training episodes that validate where the data set has no validation split


@dataclass(frozen=True)
class FrameSource:
    """Frames uint8 (B, T, 3, H, W) and actions (B, T-1) of random windows."""

    windows: Windows
    grad_accum: int = 1

    def batch(self, step: int, micro: int) -> Batch:
        found = self.windows.batch((step - 1) * self.grad_accum + micro)
        return Batch(frames=frames_to_tensor(found.frames), actions=torch.from_numpy(found.actions))


@dataclass(frozen=True)
class TokenSource:
    """Tokens (B, T, h, w) and actions (B, T-1) of random windows."""

    windows: TokenWindows
    grad_accum: int = 1

    def batch(self, step: int, micro: int) -> Batch:
        found = self.windows.batch((step - 1) * self.grad_accum + micro)
        return Batch(tokens=torch.from_numpy(found.tokens), actions=torch.from_numpy(found.actions))


@dataclass(frozen=True)
class PairedSource:
    """Frames (B, T, 3, H, W), their tokens (B, T, h, w) and actions (B, T-1) of random windows."""

    frames: Windows
    tokens: TokenWindows
    grad_accum: int = 1

    def batch(self, step: int, micro: int) -> Batch:
        found = self.tokens.batch((step - 1) * self.grad_accum + micro)
        seen = self.frames.read(found.episodes, found.starts)
        return Batch(frames_to_tensor(seen.frames), torch.from_numpy(found.tokens), torch.from_numpy(found.actions))


def frames_to_tensor(frames: np.ndarray) -> torch.Tensor:
    """uint8 (B, T, H, W, 3) -> uint8 (B, T, 3, H, W), contiguous."""
    return torch.from_numpy(frames).permute(0, 1, 4, 2, 3).contiguous()


def frame_sources(
    training: Dataset, held_out: Dataset, cfg: TrainConfig, rank: int = 0, world_size: int = 1
) -> tuple[FrameSource, FrameSource]:
    """Training and validation windows of train.num_frames frames."""
    shuffled = _sampler(training.lengths, cfg, cfg.seed, rank, world_size)
    fixed = _sampler(held_out.lengths, cfg, 0, rank, world_size)
    return FrameSource(Windows(training, shuffled), cfg.grad_accum), FrameSource(Windows(held_out, fixed))


def token_sources(
    training: TokenCache,
    held_out: TokenCache,
    cfg: TrainConfig,
    stride: int = 1,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[TokenSource, TokenSource]:
    """Training and validation windows of train.num_frames frames; stride as WindowSampler has it."""
    shuffled = _sampler(training.lengths, cfg, cfg.seed, rank, world_size, stride)
    fixed = _sampler(held_out.lengths, cfg, 0, rank, world_size, stride)
    return (
        TokenSource(TokenWindows(training, shuffled), cfg.grad_accum),
        TokenSource(TokenWindows(held_out, fixed)),
    )


def paired_sources(
    frames: tuple[Dataset, Dataset],
    tokens: tuple[TokenCache, TokenCache],
    cfg: TrainConfig,
    stride: int = 1,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[PairedSource, PairedSource]:
    """`token_sources` with the frames of the same windows; (training, validation) of each, from one data set."""
    found = token_sources(*tokens, cfg, stride, rank, world_size)
    made = [
        PairedSource(Windows(dataset, source.windows.sampler), source.windows, source.grad_accum)
        for dataset, source in zip(frames, found, strict=True)
    ]
    return made[0], made[1]


def choose_games(dataset: Dataset, n_envs: int, key: str = "train.n_envs") -> Dataset:
    """All games (0), the first n_envs by name, or the last -n_envs. key: what the user calls it."""
    games = sorted(set(dataset.index["game"].to_pylist()))
    if abs(n_envs) > len(games):
        raise UserError(f"{key} is {n_envs}; {dataset.path} has {len(games)} games, 0 takes all")
    if n_envs == 0:
        return dataset
    return dataset.select(game=games[:n_envs] if n_envs > 0 else games[n_envs:])


def trainable(dataset: Dataset) -> Dataset:
    """The episodes that a run may look at: those of the splits train and validation."""
    there = set(dataset.index["split"].to_pylist())
    return dataset.select(split=[name for name in ("train", "validation") if name in there] or "train")


def split_for_training(dataset: Dataset, num_frames: int) -> tuple[Dataset, Dataset]:
    """(training, validation) episodes: the splits of these names, else some training episodes held out.

    Test episodes are in neither. Held out are evenly spaced ones of num_frames frames or more; a data set
    with one such episode validates on it.
    """
    training = dataset.select(split="train")
    if "validation" in dataset.index["split"].to_pylist():
        return training, dataset.select(split="validation")
    long_enough = np.flatnonzero(training.lengths >= num_frames)
    if len(long_enough) < 2:
        return training, training
    count = max(1, round(HELD_OUT * len(long_enough)))
    out = long_enough[_evenly_spaced(len(long_enough), count)]
    return training.take(np.setdiff1d(np.arange(len(training)), out)), training.take(out)


def _evenly_spaced(length: int, count: int) -> np.ndarray:
    return (np.arange(count) * length + length // 2) // count


def _sampler(
    lengths: Sequence[int] | np.ndarray,
    cfg: TrainConfig,
    seed: int,
    rank: int,
    world_size: int,
    stride: int = 1,
) -> WindowSampler:
    return WindowSampler(lengths, cfg.num_frames, cfg.batch_size, seed, rank, world_size, stride)
