"""What an evaluation is asked about: clips of true frames and actions. It knows no world and no metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genieredux.episodes.alignment import window_slices
from genieredux.errors import UserError


@dataclass(frozen=True)
class Clips:
    """A test set: N clips of T frames.

    frames: uint8 (N, T, H, W, 3).
    actions: int64 (N, T-1); `actions[:, k]` is taken at frame k and leads to frame k+1.
    episodes: int64 (N,): which episode a clip is from. Intervals resample episodes, for clips of one are
    alike.
    """

    frames: np.ndarray
    actions: np.ndarray
    episodes: np.ndarray

    def __post_init__(self) -> None:
        count, length = self.frames.shape[:2]
        if self.frames.dtype != np.uint8 or self.frames.ndim != 5 or self.frames.shape[-1] != 3:
            raise ValueError(f"frames must be uint8 (N, T, H, W, 3), got {self.frames.dtype} {self.frames.shape}")
        if self.actions.shape != (count, length - 1) or self.episodes.shape != (count,):
            raise ValueError(
                f"{count} clips of {length} frames need actions {(count, length - 1)} and episodes "
                f"{(count,)}, got {self.actions.shape} and {self.episodes.shape}"
            )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def length(self) -> int:
        """Frames of a clip."""
        return self.frames.shape[1]

    def batch(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Clips start..stop as float32 frames (B, T, C, H, W) in [0, 1] and int64 actions (B, T-1)."""
        frames = torch.from_numpy(self.frames[start:stop]).movedim(-1, 2).float() / 255
        return frames.contiguous(), torch.from_numpy(self.actions[start:stop].astype(np.int64))


class EpisodeSource(Protocol):
    """What `cut_clips` needs of a data set; `episodes.Dataset` has it."""

    @property
    def lengths(self) -> Any:
        """Frames of every episode."""
        ...

    def episode(self, index: int) -> Any:
        """The episode, with `.frames` (T, H, W, 3) uint8 and `.actions` (T-1,)."""
        ...


def cut_clips(source: EpisodeSource, length: int, max_clips: int, step: int = 20, seed: int = 0) -> Clips:
    """Windows of `length` frames, one every `step` frames of each episode (papers: length 12, step 20).

    Where there are more than `max_clips`, they are drawn from all episodes as evenly as can be: first one of
    each episode, then a second of each. Raises UserError when no episode is long enough.
    """
    lengths: Sequence[int] = [int(n) for n in source.lengths]
    rng = np.random.default_rng(seed)
    ranked: list[tuple[int, int, int]] = []  # (how many of this episode come before, shuffled episode rank, start)
    order = rng.permutation(len(lengths))
    for rank, episode in enumerate(order):
        starts = rng.permutation(np.arange(0, lengths[episode] - length + 1, step))
        ranked += [(turn, rank, int(start)) for turn, start in enumerate(starts)]
    if not ranked:
        longest = max(lengths, default=0)
        raise UserError(
            f"No episode is long enough to evaluate: clips need {length} frames, the longest of "
            f"{len(lengths)} episodes has {longest}. Collect longer episodes or ask for a shorter horizon."
        )
    chosen: dict[int, list[int]] = {}
    for _, rank, start in sorted(ranked)[:max_clips]:
        chosen.setdefault(int(order[rank]), []).append(start)
    frames, actions, episodes = [], [], []
    for index in sorted(chosen):
        episode = source.episode(index)
        for start in sorted(chosen[index]):
            of_frames, of_actions = window_slices(start, length)
            frames.append(np.asarray(episode.frames[of_frames]))
            actions.append(np.asarray(episode.actions[of_actions], dtype=np.int64))
            episodes.append(index)
    return Clips(np.stack(frames), np.stack(actions), np.asarray(episodes, dtype=np.int64))
