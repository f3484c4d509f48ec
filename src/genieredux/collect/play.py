"""The playing loop: environments side by side, each working through planned episodes, each episode handed
over when it ends.

It knows no file. Alignment of frames and actions is `episodes.alignment.Track`'s business.
"""

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.collect.plan import Planned
from genieredux.envs import GameVectorEnv
from genieredux.episodes.alignment import Track
from genieredux.errors import UserError
from genieredux.policies import Policy

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""An episode whose environment dies this often is given up, with an error that names it."""


@dataclass(frozen=True)
class Played:
    """One finished episode: its plan, what was recorded, and how it ended."""

    planned: Planned
    track: Track
    terminated: bool
    truncated: bool


@dataclass
class _Stream:
    """One environment's work: what it plays, what comes next, what it has recorded."""

    now: Planned | None
    then: Planned | None
    track: Track | None = None
    deaths: int = 0


class Player:
    """Plays planned episodes with one policy on one vector of environments. `deaths` counts episodes lost and
    replayed.
    """

    def __init__(self, env: GameVectorEnv, policy: Policy) -> None:
        self.env, self.policy = env, policy
        self.deaths = 0

    def play(self, plan: Iterator[Planned]) -> Generator[Played, None, None]:
        """Yields episodes as they end, in no particular order; each is what its plan says whatever else is
        played.

        Raises `UserError` where an environment dies `MAX_DEATHS` times on the same episode.
        """
        streams, frames, info = self._begin(plan)
        while any(stream.now for stream in streams):
            actions = self.policy.act(frames)
            frames, rewards, terminated, truncated, info = self.env.step(actions)
            truth, begun = _truth(info), np.zeros(len(streams), dtype=bool)
            for i, stream in enumerate(streams):
                if stream.now is None or stream.track is None:
                    continue
                if info["broken"][i]:
                    self._lost(stream)
                    stream.track, begun[i] = Track(frames[i], _at(truth, i)), True
                elif terminated[i] or truncated[i]:
                    self._end(stream.track, int(actions[i]), float(rewards[i]), info, i)
                    yield Played(stream.now, stream.track, bool(terminated[i]), bool(truncated[i]))
                    begun[i] = self._next(stream, i, plan)
                    stream.track = Track(frames[i], _at(truth, i)) if begun[i] else None
                else:
                    stream.track.step(int(actions[i]), float(rewards[i]), frames[i], _at(truth, i))
            if begun.any():
                self.policy.on_reset(begun, [_seed(stream.now) for stream in streams])

    def _begin(self, plan: Iterator[Planned]) -> tuple[list[_Stream], NDArray[np.uint8], dict[str, Any]]:
        streams = []
        for i in range(self.env.num_envs):
            stream = _Stream(next(plan, None), None)
            if stream.now is not None:
                self.env.assign(i, stream.now.start)
            streams.append(stream)
        frames, info = self.env.reset()
        self.policy.reset(len(streams), [_seed(stream.now) for stream in streams])
        for i, stream in enumerate(streams):
            if stream.now is None:
                self.env.park(i)
                continue
            stream.track = Track(frames[i], _at(_truth(info), i))
            self._fetch(stream, i, plan)
        return streams, frames, info

    def _next(self, stream: _Stream, index: int, plan: Iterator[Planned]) -> bool:
        """Move a stream on to its next episode; False (and the environment parked) where there is none."""
        stream.now, stream.deaths = stream.then, 0
        if stream.now is None:
            self.env.park(index)
            return False
        self._fetch(stream, index, plan)
        return True

    def _fetch(self, stream: _Stream, index: int, plan: Iterator[Planned]) -> None:
        stream.then = next(plan, None)
        if stream.then is not None:
            self.env.assign(index, stream.then.start)

    def _end(self, track: Track, action: int, reward: float, info: dict[str, Any], i: int) -> None:
        if "_final_obs" in info and info["_final_obs"][i]:
            track.step(action, reward, info["final_obs"][i], _at(_truth(info["final_info"]), i))
        else:
            track.end_unseen(reward)

    def _lost(self, stream: _Stream) -> None:
        self.deaths += 1
        stream.deaths += 1
        if stream.now is not None and stream.deaths >= MAX_DEATHS:
            raise UserError(
                f"{self.env.game}: its process died {stream.deaths} times while playing episode "
                f"{stream.now.id}; lower n_workers if memory is short, or leave this game out"
            )


def _seed(planned: Planned | None) -> int:
    return 0 if planned is None else planned.start.seed


def _truth(info: dict[str, Any]) -> dict[str, Sequence[float]]:
    """All environments' ground truth: the (N,) arrays that are no flag of the contract, as plain numbers."""
    return {
        key: values.tolist()
        for key, values in info.items()
        if key not in ("broken", "final_obs", "final_info") and not key.startswith("_")
    }


def _at(truth: dict[str, Sequence[float]], i: int) -> dict[str, float]:
    """Environment i's share of it."""
    return {key: values[i] for key, values in truth.items()}
