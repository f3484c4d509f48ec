"""True transitions in memory, to be drawn one by one: what an inverse-dynamics model learns from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genieredux.episodes import Dataset
from genieredux.episodes.alignment import window_slices
from genieredux.errors import UserError
from genieredux.frames import to_float

NO_ACTION = -1


@dataclass(frozen=True, eq=False)
class Transitions:
    """Episodes one after another. frames: uint8 (N, H, W, 3). actions: int64 (N,), taken at each frame; NO_ACTION at
    the last of an episode. before: int64 (N,), the frame before each; itself at the first of an episode.
    """

    frames: np.ndarray
    actions: np.ndarray
    before: np.ndarray

    @classmethod
    def load(cls, dataset: Dataset, max_frames: int, seed: int) -> "Transitions":
        """Whole episodes, drawn at random, until there are max_frames (the last one may be cut).

        Raises UserError where no episode has two frames.
        """
        size, total = dataset.spec.image_size, min(int(dataset.lengths.sum()), max_frames)
        frames = np.empty((total, size, size, 3), np.uint8)
        actions = np.full(total, NO_ACTION, np.int64)
        before = np.arange(-1, total - 1)
        at = 0
        for episode in np.random.default_rng(seed).permutation(len(dataset)).tolist():
            length = min(int(dataset.lengths[episode]), total - at)
            if length < 1:
                break
            seen, acted = window_slices(at, length)
            dataset.read_into(episode, 0, frames[seen], actions[acted])
            before[at] = at
            at += length
        if not (actions >= 0).any():
            raise UserError(f"{dataset.path}: no episode has two frames, so there is no transition to learn from")
        return cls(frames, actions, before)

    @cached_property
    def _starts_by_action(self) -> list[np.ndarray]:
        return [np.flatnonzero(self.actions == action) for action in np.unique(self.actions[self.starts])]

    @property
    def starts(self) -> np.ndarray:
        """The frames at which an action was taken, int64."""
        return np.flatnonzero(self.actions >= 0)

    def draw_balanced(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """`count` starts, every action that was ever taken equally often on average."""
        kinds = self._starts_by_action
        return np.array([rng.choice(kinds[kind]) for kind in rng.integers(len(kinds), size=count)])

    def read(self, starts: np.ndarray, alone: np.ndarray | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(before, now, after) float32 (K, 3, H, W) in [0, 1] and actions int64 (K,).

        alone: bool (K,), where the frame before is replaced by the frame itself.
        """
        before = self.before[starts]
        if alone is not None:
            before = np.where(alone, starts, before)
        pictures = (to_float(self.frames[index]) for index in (before, starts, starts + 1))
        return (*pictures, torch.from_numpy(self.actions[starts]))  # type: ignore[return-value]
