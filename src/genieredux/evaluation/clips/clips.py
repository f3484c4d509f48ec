"""What an evaluation is asked about: clips of true frames and actions. It knows no world and no metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.frames import to_float


@dataclass(frozen=True)
class Origin:
    """Where a clip is from. start: the episode's frame that it begins with. tags: what RetroAct says of the game."""

    episode: str
    start: int
    game: str = "unknown"
    console: str = "unknown"
    tags: tuple[str, ...] = ()
    policy: str = "unknown"


@dataclass(frozen=True)
class Clips:
    """A test set: N clips of T frames.

    frames: uint8 (N, T, H, W, 3).
    actions: int64 (N, T-1); `actions[:, k]` is taken at frame k and leads to frame k+1.
    episodes: int64 (N,): which episode a clip is from. Intervals resample episodes, for clips of one are
    alike.
    origins: of each clip, or empty where nobody knows.
    """

    frames: np.ndarray
    actions: np.ndarray
    episodes: np.ndarray
    origins: tuple[Origin, ...] = ()

    def __post_init__(self) -> None:
        count, length = self.frames.shape[:2]
        if self.frames.dtype != np.uint8 or self.frames.ndim != 5 or self.frames.shape[-1] != 3:
            raise ValueError(f"frames must be uint8 (N, T, H, W, 3), got {self.frames.dtype} {self.frames.shape}")
        if self.actions.shape != (count, length - 1) or self.episodes.shape != (count,):
            raise ValueError(
                f"{count} clips of {length} frames need actions {(count, length - 1)} and episodes "
                f"{(count,)}, got {self.actions.shape} and {self.episodes.shape}"
            )
        if self.origins and len(self.origins) != count:
            raise ValueError(f"{count} clips with {len(self.origins)} origins")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def length(self) -> int:
        """Frames of a clip."""
        return self.frames.shape[1]

    def batch(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Clips start..stop as float32 frames (B, T, C, H, W) in [0, 1] and int64 actions (B, T-1)."""
        return to_float(self.frames[start:stop]), torch.from_numpy(self.actions[start:stop].astype(np.int64))

    def origin(self, clip: int) -> Origin:
        """Of one clip; where nobody knows, its episode's number and its own stand for it."""
        return self.origins[clip] if self.origins else Origin(str(self.episodes[clip]), clip)

    def hashes(self, length: int) -> tuple[str, ...]:
        """16 hex digits of the first `length` frames of each clip and the actions between them."""
        return tuple(
            blake2b(
                np.ascontiguousarray(frames[:length]).tobytes() + actions[: length - 1].astype("<i8").tobytes(),
                digest_size=8,
            ).hexdigest()
            for frames, actions in zip(self.frames, self.actions, strict=True)
        )


class EpisodeSource(Protocol):
    """What `cut_clips` needs of a data set; `episodes.Dataset` has it."""

    @property
    def lengths(self) -> Any:
        """Frames of every episode."""
        ...

    @property
    def index(self) -> Any:
        """An Arrow table with a row per episode: id, game, console, tags, policy."""
        ...

    def clip(self, i: int, start: int, stop: int) -> Any:
        """Frames start..stop-1 of episode i as `.frames` (T, H, W, 3) uint8 and `.actions` (T-1,)."""
        ...


def cut_clips(
    source: EpisodeSource, length: int, max_clips: int, step: int = 20, seed: int = 0, name: str = "the data set"
) -> Clips:
    """Windows of `length` frames, one every `step` frames of each episode (papers: length 12, step 20).

    Where there are more than `max_clips`, they are drawn from all episodes as evenly as can be: first one of
    each episode, then a second of each. Raises UserError, calling the episodes `name`, when none is long enough.
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
            f"No episode of {name} is long enough: clips need {length} frames (those given plus those predicted), the "
            f"longest of {len(lengths)} episodes has {longest}. Collect longer episodes or predict fewer frames."
        )
    chosen = sorted((int(order[rank]), start) for _, rank, start in sorted(ranked)[:max_clips])
    cut = [source.clip(episode, start, start + length) for episode, start in chosen]
    return Clips(
        np.stack([clip.frames for clip in cut]),
        np.stack([np.asarray(clip.actions, dtype=np.int64) for clip in cut]),
        np.asarray([episode for episode, _ in chosen], dtype=np.int64),
        _origins(source, chosen),
    )


def _origins(source: EpisodeSource, chosen: Sequence[tuple[int, int]]) -> tuple[Origin, ...]:
    columns = ("id", "game", "console", "tags", "policy")
    rows = source.index.select(columns).to_pylist()
    return tuple(
        Origin(
            rows[episode]["id"],
            start,
            rows[episode]["game"],
            rows[episode]["console"],
            tuple(rows[episode]["tags"] or ()),
            rows[episode]["policy"],
        )
        for episode, start in chosen
    )
