"""One policy on a vector of environments: step by step for a learner, or episode by episode for a data set.

Environments run side by side, each working through episodes that are planned with their level and seed; the policy
answers for all of them at every step. Seeds decide everything: an episode is what its seed, the policy and the game
make of it, whatever is played beside it. Knows no file.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.collect.plan import Planned
from genieredux.envs import EnvConfig, GameVectorEnv, Start, make
from genieredux.episodes import Track
from genieredux.errors import UserError
from genieredux.policies import Actions, Policy, Seen
from genieredux.policies.policy import Frames

MAX_DEATHS = 3
"""A game of which one episode has killed its environment so often is given up."""


class GameDied(UserError):
    """A game is better given up: its process died again and again, it cannot be opened, or its own code fails."""


@contextmanager
def playing() -> Iterator[None]:
    """What goes wrong in a game, by its own line, is a reason to give up that game; others can be played still."""
    try:
        yield
    except UserError as error:
        raise GameDied(str(error)) from error


@dataclass(frozen=True)
class Steps:
    """One step of N environments: `actions` were taken at `frames` and led to `following`.

    In each environment the steps from one that `begun` to one that ended (`terminated` or `truncated`) are an episode:
    its frames are their `frames` and the last `following`, its actions and rewards theirs. Where `lost`, the
    environment died under the action: the episode so far counts for nothing, and it begins anew at the next step.
    Arrays are the caller's to keep.
    """

    frames: Frames
    """uint8 (N, H, W, 3)."""
    begun: NDArray[np.bool_]
    """bool (N,): the frame is an episode's first."""
    seeds: NDArray[np.int64]
    """int64 (N,): of the episode."""
    info: Mapping[str, NDArray[Any]]
    """name -> (N,): ground truth about `frames`."""
    actions: Actions
    """int64 (N,)."""
    rewards: NDArray[np.float32]
    """float32 (N,): what `actions` earned."""
    terminated: NDArray[np.bool_]
    """bool (N,): the game ended the episode: nothing is to be expected after it."""
    truncated: NDArray[np.bool_]
    """bool (N,): the episode was cut: more could have come after it."""
    lost: NDArray[np.bool_]
    """bool (N,)."""
    playing: NDArray[np.bool_]
    """bool (N,): False where the plan has nothing left for the environment; its other values mean nothing."""
    following: Frames
    """uint8 (N, H, W, 3): what the actions led to; where an episode ended its last frame, not the next one's first."""
    following_info: Mapping[str, NDArray[Any]]
    """name -> (N,): ground truth about `following`."""
    shown: NDArray[np.bool_]
    """bool (N,): `following` was shown. False where a game ends without showing its last frame (Procgen)."""


@dataclass(frozen=True)
class Recorded:
    """One finished episode: its plan, what was recorded, and how it ended."""

    planned: Planned
    track: Track
    terminated: bool
    truncated: bool


@dataclass
class _Stream:
    """One environment's work: what it plays, and what comes next."""

    now: Planned | None
    then: Planned | None = None
    deaths: int = 0


class Player:
    """Plays planned episodes with one policy on one vector of environments. `deaths` counts episodes lost and
    replayed.
    """

    def __init__(self, env: GameVectorEnv, policy: Policy) -> None:
        self.env, self.policy = env, policy
        self.deaths = 0
        self._streams: list[_Stream] = []

    def steps(self, plan: Iterator[Planned]) -> Generator[Steps, None, None]:
        """Yields what all environments did, a step at a time, until the plan is played; a plan may be endless.

        The policy acts between two steps, so what a learner changes in it counts from the next step on. Raises
        `GameDied` where an environment dies `MAX_DEATHS` times on the same episode, or the game's code fails.
        """
        frames, info = self._begin(plan)
        seen = Seen.first(frames, self._seeds())
        while any(stream.now for stream in self._streams):
            actions = self.policy.act(seen)
            with playing():
                after, rewards, terminated, truncated, info_after = self.env.step(actions)
            step = self._step(seen, info, actions, rewards.astype(np.float32), terminated, truncated, after, info_after)
            yield step
            begun = self._advance(step, plan)
            seen = Seen(after, step.rewards, terminated, np.where(begun, -1, actions), begun, self._seeds())
            info = _truth(info_after)

    def play(self, plan: Iterator[Planned]) -> Generator[Recorded, None, None]:
        """Yields episodes as they end, in no particular order; each is what its plan says whatever else is
        played. Raises `GameDied` as `steps` does.
        """
        tracks: dict[int, Track] = {}
        with closing(self.steps(plan)) as steps:
            for step in steps:
                now = [stream.now for stream in self._streams]
                for i in np.flatnonzero(step.playing).tolist():
                    if step.begun[i]:
                        tracks[i] = Track(step.frames[i], _at(step.info, i))
                    if step.lost[i]:
                        continue
                    if step.shown[i]:
                        action, reward = int(step.actions[i]), float(step.rewards[i])
                        tracks[i].step(action, reward, step.following[i], _at(step.following_info, i))
                    else:
                        tracks[i].end_unseen(float(step.rewards[i]))
                    planned = now[i]
                    if planned is not None and (step.terminated[i] or step.truncated[i]):
                        yield Recorded(planned, tracks[i], bool(step.terminated[i]), bool(step.truncated[i]))

    def _step(
        self,
        seen: Seen,
        info: Mapping[str, NDArray[Any]],
        actions: Actions,
        rewards: NDArray[np.float32],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        after: Frames,
        info_after: Mapping[str, Any],
    ) -> Steps:
        playing = np.array([stream.now is not None for stream in self._streams])
        lost = info_after["broken"] & playing
        ended = (terminated | truncated) & ~lost & playing
        shown = ~lost & playing & (~ended | info_after.get("_final_obs", False))
        following, truth = after, _truth(info_after)
        if (ended & shown).any():
            following = np.where(ended[:, None, None, None], info_after["final_obs"], after)
            truth = _chosen(ended, _truth(info_after["final_info"]), truth)
        return Steps(
            seen.frames,
            seen.begun,
            seen.seeds,
            info,
            actions,
            rewards,
            terminated & ended,
            truncated & ended,
            lost,
            playing,
            following,
            truth,
            shown,
        )

    def _begin(self, plan: Iterator[Planned]) -> tuple[Frames, Mapping[str, NDArray[Any]]]:
        self._streams = [_Stream(next(plan, None)) for _ in range(self.env.num_envs)]
        for i, stream in enumerate(self._streams):
            if stream.now is not None:
                self.env.assign(i, stream.now.start)
        with playing():
            frames, info = self.env.reset()
        for i, stream in enumerate(self._streams):
            if stream.now is None:
                self.env.park(i)
            else:
                self._fetch(stream, i, plan)
        return frames, _truth(info)

    def _advance(self, step: Steps, plan: Iterator[Planned]) -> NDArray[np.bool_]:
        """Move every stream on whose episode ended or was lost; where an episode has begun, bool (N,)."""
        begun = np.zeros(len(self._streams), dtype=bool)
        for i in np.flatnonzero(step.lost | step.terminated | step.truncated):
            stream = self._streams[i]
            if step.lost[i]:
                self._lost(stream)
                begun[i] = True
                continue
            stream.now, stream.deaths = stream.then, 0
            begun[i] = stream.now is not None
            if stream.now is None:
                self.env.park(int(i))
            else:
                self._fetch(stream, int(i), plan)
        return begun

    def _fetch(self, stream: _Stream, index: int, plan: Iterator[Planned]) -> None:
        stream.then = next(plan, None)
        if stream.then is not None:
            self.env.assign(index, stream.then.start)

    def _lost(self, stream: _Stream) -> None:
        self.deaths += 1
        stream.deaths += 1
        if stream.now is not None and stream.deaths >= MAX_DEATHS:
            raise GameDied(f"its process died {stream.deaths} times at episode {stream.now.id}")

    def _seeds(self) -> NDArray[np.int64]:
        return np.array([stream.now.start.seed if stream.now else 0 for stream in self._streams], dtype=np.int64)


def rollouts(cfg: EnvConfig, policy: Policy, num_envs: int, seed: int) -> Generator[Steps, None, None]:
    """Endless play of one game for whoever learns from it: see `Player.steps`. Close it to end the environments.

    Levels are drawn from `cfg.num_levels` (0 = all) from `cfg.start_level` on. Raises `UserError` where the game cannot
    be played here.
    """
    with closing(make(cfg, num_envs, seed)) as env:
        yield from Player(env, policy).steps(endless(cfg, seed))


def endless(cfg: EnvConfig, seed: int) -> Iterator[Planned]:
    """A plan without end: episode k has a level and a seed that depend on `seed` and k alone."""
    for number in count():
        level, episode_seed = cfg.draw(np.random.default_rng((seed, number)))
        yield Planned(f"{number:09d}", number, Start(level, episode_seed))


def _truth(info: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """All environments' ground truth: the (N,) arrays, and the masks of those that some lack."""
    return {key: values for key, values in info.items() if key.strip("_") not in ("broken", "final_obs", "final_info")}


def _chosen(mask: NDArray[np.bool_], one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Ground truth (N,) that is `one` where the mask holds and `other` elsewhere."""
    names = {name for name in (*one, *other) if not name.startswith("_")}
    nothing = np.zeros(len(mask), dtype=bool)
    chosen: dict[str, NDArray[Any]] = {}
    for name in sorted(names):
        ours, theirs = (truth.get(f"_{name}", ~nothing if name in truth else nothing) for truth in (one, other))
        known = np.where(mask, ours, theirs)
        chosen[name] = np.where(mask, one.get(name, other.get(name)), other.get(name, one.get(name)))
        if not known.all():
            chosen[f"_{name}"] = known
    return chosen


def _at(truth: Mapping[str, NDArray[Any]], i: int) -> dict[str, Any]:
    """Environment i's share of the ground truth, as plain numbers."""
    plain = {name: values for name, values in truth.items() if not name.startswith("_")}
    return {name: values[i].item() for name, values in plain.items() if f"_{name}" not in truth or truth[f"_{name}"][i]}
