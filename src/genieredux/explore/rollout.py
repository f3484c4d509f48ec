"""What a vector of environments did, T steps of N: the record that rewards are computed of and the agent learns from.

Knows the player's steps (collect/player.py), no world and no network. Frames are bytes, and each lies here once; which
action led to which frame is decided here alone: `actions[t]` was taken at `frames[t]` and led to `following(t)`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.collect.player import Steps

Flags = NDArray[np.bool_]
_COLUMNS = ("frames", "actions", "seeds", "playing", "begun", "terminated", "truncated", "lost", "rewards")


@dataclass(frozen=True)
class Piece:
    """Steps `first` to `last` (included) of environment `env`: what lies between them is one episode without a gap.

    begins: its first frame is an episode's. ends: its last step ended the episode. seen: how many of its steps have a
    frame that they led to: all, or all but the last (the game showed none, or the environment died).
    """

    env: int
    first: int
    last: int
    begins: bool
    ends: bool
    seen: int


@dataclass(frozen=True)
class Rollout:
    """T steps of N environments.

    frames: uint8 (T, N, H, W, 3). actions, seeds, levels: int64 (T, N); a level tells apart places that look alike.
    playing: bool (T, N), False where an environment had nothing left to play: the row says nothing of it.
    begun, terminated, truncated, lost: bool (T, N), as the player says. rewards: float32 (T, N), the game's own.
    ends: (t, n) -> the frame uint8 (H, W, 3) that the step led to, where the next row does not show it.
    info: name -> (T, N), ground truth about `frames`. info_after: the same about what the steps led to.
    """

    frames: NDArray[np.uint8]
    actions: NDArray[np.int64]
    seeds: NDArray[np.int64]
    levels: NDArray[np.int64]
    playing: Flags
    begun: Flags
    terminated: Flags
    truncated: Flags
    lost: Flags
    rewards: NDArray[np.float32]
    ends: Mapping[tuple[int, int], NDArray[np.uint8]]
    info: Mapping[str, NDArray[Any]]
    info_after: Mapping[str, NDArray[Any]]

    @classmethod
    def of(cls, steps: Iterable[Steps]) -> "Rollout":
        """The record of these steps, at least one."""
        taken = list(steps)
        ends = {}
        for t, step in enumerate(taken):
            over = step.terminated | step.truncated | step.lost
            for n in np.flatnonzero(step.shown & (over | (t == len(taken) - 1))).tolist():
                ends[t, n] = step.following[n].copy()
        columns = {name: np.stack([getattr(step, name) for step in taken]) for name in _COLUMNS}
        info, after = (_gathered([getattr(step, name) for step in taken]) for name in ("info", "following_info"))
        levels = info.get("level_seed", np.zeros(columns["actions"].shape))
        return cls(**columns, levels=levels.astype(np.int64), ends=ends, info=info, info_after=after)

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        steps, envs = self.actions.shape
        return steps, envs

    @property
    def ended(self) -> Flags:
        """bool (T, N): an episode ended there, in whatever way."""
        return self.terminated | self.truncated | self.lost

    def following(self, t: int, n: int) -> NDArray[np.uint8] | None:
        """The frame uint8 (H, W, 3) that step t of environment n led to; None where nobody saw it."""
        if (t, n) in self.ends:
            return self.ends[t, n]
        return None if self.ended[t, n] or t + 1 == len(self.frames) else self.frames[t + 1, n]

    def pieces(self) -> Iterator[Piece]:
        """Everything that was played, environment by environment."""
        steps, envs = self.shape
        ended = self.ended
        for n in range(envs):
            first = 0
            for t in np.flatnonzero(self.playing[:, n]).tolist():
                if ended[t, n] or t + 1 == steps:
                    unseen = self.following(t, n) is None
                    over = bool(ended[t, n])
                    yield Piece(n, first, t, bool(self.begun[first, n]), over, t + 1 - first - unseen)
                    first = t + 1

    def film(self, piece: Piece) -> NDArray[np.uint8]:
        """The frames uint8 (seen + 1, H, W, 3) of a piece, from its first on."""
        rows = self.frames[piece.first : piece.first + piece.seen + 1, piece.env]
        last = self.ends.get((piece.first + piece.seen - 1, piece.env))
        return rows if last is None else np.concatenate([rows[: piece.seen], last[None]])


def _gathered(infos: list[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """name -> (T, N), of what every step has."""
    names = set.intersection(*(set(info) for info in infos))
    return {name: np.stack([info[name] for info in infos]) for name in sorted(names) if not name.startswith("_")}
