"""Collection with a policy that acts for many environments at once: a model on a device, shared by all.

Environments run side by side, each working through planned episodes; the policy answers for all of them at every
step. `Player` knows no file. Alignment of frames and actions is `episodes.alignment.Track`'s business.
"""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.collect.plan import Planned
from genieredux.collect.progress import Tally
from genieredux.collect.schedule import Work
from genieredux.collect.shelf import Shelf
from genieredux.collect.tasks import Labels, to_episode
from genieredux.envs import GameVectorEnv, make, suggested_num_envs
from genieredux.episodes import Track
from genieredux.errors import UserError
from genieredux.policies import Policy

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""A game of which one episode has killed its environment so often is given up."""


class GameDied(UserError):
    """A game's process died again and again."""


class LockStep:
    """Plays group after group with environments that it keeps as long as they serve. lost: episodes played again."""

    def __init__(self, shelf: Shelf, tally: Tally) -> None:
        self._shelf, self._tally = shelf, tally
        self._env: GameVectorEnv | None = None
        self._env_game = ""
        self.lost = 0

    def close(self) -> None:
        """Close the environments that are open."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def run(self, work: Work, policy: Policy) -> None:
        """Play and store what is missing of one group. Raises `GameDied` where its game is better given up."""
        if work.ledger.is_complete():
            return
        player = Player(self._environment(work), policy)
        try:
            self._play(player, work)
        finally:
            self.lost += player.deaths

    def _play(self, player: "Player", work: Work) -> None:
        labels = Labels.of(work.group)
        with closing(player.play(work.ledger.to_play())) as episodes:
            for played in episodes:
                episode = to_episode(labels, played.planned, played.track, played.terminated, played.truncated)
                ready = work.ledger.arrived(played.planned, len(episode), episode)
                for one in ready:
                    self._shelf.put(one)
                self._tally.count(len(episode), len(ready))
                if work.ledger.is_complete():
                    break

    def _environment(self, work: Work) -> GameVectorEnv:
        """Environments of a game, enough for what is missing: those of the group before, where they serve."""
        game, missing = work.group.game, None if work.group.num_frames else work.ledger.missing()
        count = _balanced(suggested_num_envs(work.env), missing)
        if self._env is None or self._env_game != game or self._env.num_envs < count:
            self.close()
            self._env, self._env_game = make(work.env, count, work.group.seed), game
        return self._env


def _balanced(most: int, missing: int | None) -> int:
    """How many environments to use so that they all finish at about the same time."""
    if missing is None or missing <= 0:
        return most
    rounds = -(-missing // most)
    return -(-missing // rounds)


@dataclass(frozen=True)
class Recorded:
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

    def play(self, plan: Iterator[Planned]) -> Generator[Recorded, None, None]:
        """Yields episodes as they end, in no particular order; each is what its plan says whatever else is
        played.

        Raises `GameDied` where an environment dies `MAX_DEATHS` times on the same episode.
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
                    yield Recorded(stream.now, stream.track, bool(terminated[i]), bool(truncated[i]))
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
            raise GameDied(f"its process died {stream.deaths} times at episode {stream.now.id}")


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
