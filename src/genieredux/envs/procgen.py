"""Procgen's sixteen games: one alone, or as a native vector of many in this process, stepped by C++ threads.

The library draws levels by itself. Here every episode's level is assigned instead: a game's saved state holds
the range its next level is drawn from, and writing a range of one there fixes that level. So an episode
depends on its level and its actions alone, whatever runs beside it. (One exception, the library's own: in
dodgeball the pause after a throw outlives its episode, and the next one's first few frames can differ by it.)
Procgen shows no last frame of an episode; the action -1 is its own way to restart.
"""

import os
import struct
from collections.abc import Mapping
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.envs import actions as names
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import transform
from genieredux.envs.vector import GameVectorEnv, Start
from genieredux.errors import UserError

RESTART = -1
TIMEOUT_STEPS = 1000  # Procgen ends most games' episodes by itself after so many steps
_STATE_BYTES = 1 << 20
# A range that no saved state holds by chance; it is found once, and then written over for every episode.
_SENTINEL_LOW, _SENTINEL_SPAN = 1_234_567_000, 7_654_321


class _Native:
    """The library's vector, and the one thing that it cannot do: fix the level of a game's next episode."""

    def __init__(self, cfg: EnvConfig, num_envs: int, threads: int) -> None:
        self.action_names = check_game(cfg)
        make_native, from_buffer, _ = _libraries()
        self.ids = names.procgen_ids(self.action_names, cfg.game)
        self._size = cfg.image_size
        self._env = _construct(make_native, cfg, num_envs, threads)
        self._buffer = bytearray(_STATE_BYTES)
        self._c_buffer = from_buffer(self._buffer)
        self._range_offset = self._find_range()

    def act(self, native: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.bool_]]:
        """Native actions (N,): frames uint8 (N, S, S, 3), rewards (N,), and which frames begin an episode (N,)."""
        self._env.act(native)
        rewards, obs, first = self._env.observe()
        frames = obs["rgb"]
        if self._size != frames.shape[1]:
            frames = np.stack([transform(frame, self._size) for frame in frames])
        return frames, rewards, first

    def fix_level(self, index: int, level: int) -> None:
        """From its next restart on, game `index` plays `level`. The episode under way is not changed by it."""
        length = self._env.call_c_func("get_state", index, self._c_buffer, _STATE_BYTES)
        struct.pack_into("<ii", self._buffer, self._range_offset, level, level + 1)
        self._env.call_c_func("set_state", index, self._c_buffer, length)

    def close(self) -> None:
        """Free the games."""
        self._env.close()

    def _find_range(self) -> int:
        self._env.call_c_func("get_state", 0, self._c_buffer, _STATE_BYTES)
        marker = struct.pack("<ii", _SENTINEL_LOW, _SENTINEL_LOW + _SENTINEL_SPAN)
        offset = self._buffer.find(marker)
        if offset < 0 or self._buffer.count(marker) != 1:
            raise RuntimeError("this build of procgen saves its state in an unknown way: levels cannot be assigned")
        return offset


class ProcgenGame:
    """One Procgen game in this process, one episode at a time (a `SoloGame`): a single game stays in the processor's
    cache, so one per core plays about twice as fast as a vector of many.
    """

    def __init__(self, cfg: EnvConfig) -> None:
        self._native = _Native(cfg, num_envs=1, threads=0)
        self.name, self.console, self.action_names = cfg.game, "Procgen", self._native.action_names
        self._actions = [np.array([number], dtype=np.int32) for number in self._native.ids]
        self._restart = np.array([RESTART], dtype=np.int32)
        self._steps = 0
        self._truth: dict[str, Any] = {}

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
        """Play level `start.instance` from its beginning; Procgen needs no further seed."""
        self._native.fix_level(0, start.instance)
        frames, _, _ = self._native.act(self._restart)
        self._steps, self._truth = 0, {"level_seed": start.instance}
        return frames[0], self._truth

    def step(self, action: int) -> tuple[NDArray[np.uint8] | None, float, bool, bool, Mapping[str, Any]]:
        """Take one action; at an end there is no frame, and after `TIMEOUT_STEPS` it counts as truncated."""
        frames, rewards, first = self._native.act(self._actions[action])
        self._steps += 1
        ended = bool(first[0])
        truncated = ended and self._steps >= TIMEOUT_STEPS
        return None if ended else frames[0], float(rewards[0]), ended and not truncated, truncated, self._truth

    def close(self) -> None:
        """Free the game."""
        self._native.close()


class ProcgenVectorEnv(GameVectorEnv):
    """`num_envs` copies of one Procgen game. Options: any keyword of Procgen's own constructor
    (use_backgrounds, ...).
    """

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int) -> None:
        super().__init__(cfg, num_envs, seed)
        self._native = _Native(cfg, num_envs, min(cfg.num_workers or len(os.sched_getaffinity(0)), num_envs))
        self._ids = self._native.ids
        self._declare(cfg.game, "Procgen", self._native.action_names)
        self._stale = np.ones(num_envs, dtype=bool)
        self._steps = np.zeros(num_envs, dtype=np.int64)

    def assign(self, index: int, start: Any) -> None:
        """The next episode of environment `index` plays level `start.instance`; Procgen needs no further
        seed.
        """
        super().assign(index, start)
        self._stale[index] = True

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode everywhere: assigned levels where there are any, else drawn ones."""
        self._prepare_reset(seed, options)
        self._stale[:] = True
        frames, _, _ = self._act(np.full(self.num_envs, RESTART, dtype=np.int32))
        for index in range(self.num_envs):
            self._begin(index)
        return frames, self._ground_truth()

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action per environment, int (N,).

        At the cap on steps the game is restarted in place of the action, which is therefore seen to lead
        nowhere, just as at the game's own end.
        """
        capped = self._steps == (self.cfg.max_episode_steps or -1)
        native = np.where(capped, RESTART, self._ids[np.asarray(actions)]).astype(np.int32)
        frames, rewards, first = self._act(native)
        self._steps += 1
        ended = first | capped
        truncated = ended & (capped | (self._steps >= TIMEOUT_STEPS))
        rewards[capped] = 0.0
        for index in np.flatnonzero(ended):
            self._begin(int(index))
        info = self._ground_truth()
        info["broken"] = np.zeros(self.num_envs, dtype=bool)
        return frames, rewards, ended & ~truncated, truncated, info

    def _begin(self, index: int) -> None:
        super()._begin(index)
        self._stale[index] = True
        self._steps[index] = 0

    def _act(self, native: NDArray[np.int32]) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_]]:
        for index in np.flatnonzero(self._stale):
            self._native.fix_level(int(index), self._upcoming[index].instance)
        self._stale[:] = False
        frames, rewards, first = self._native.act(native)
        return frames, rewards.astype(np.float64), first

    def _ground_truth(self) -> dict[str, Any]:
        return {"level_seed": np.array([start.instance for start in self._current], dtype=np.int64)}

    def close_extras(self, **kwargs: Any) -> None:
        """Free the native games."""
        self._native.close()


def check_game(cfg: EnvConfig) -> tuple[str, ...]:
    """The action names of a Procgen game. Raises `UserError` where there is no such game or action, or no
    Procgen.
    """
    _, _, games = _libraries()
    if cfg.game not in games:
        near = get_close_matches(cfg.game, games, n=1, cutoff=0.0)[0]
        raise UserError(f"Procgen has no game '{cfg.game}'; nearest: '{near}'; all: {', '.join(games)}")
    action_names = cfg.action_names or names.procgen_names(cfg.game)
    names.procgen_ids(action_names, cfg.game)
    return action_names


def _libraries() -> tuple[Any, Any, tuple[str, ...]]:
    try:
        import cffi

        with redirect_stderr(StringIO()):  # it imports the old gym, which tells every user to upgrade
            from procgen import ProcgenGym3Env
            from procgen.env import ENV_NAMES
    except ImportError as error:
        raise UserError(
            f"Procgen games need the package procgen-mirror ({error}): `pip install procgen-mirror==0.10.7` "
            "on Python 3.11 or 3.12; none is made for 3.13, where kind=retro or kind=fake can be played"
        ) from error
    return ProcgenGym3Env, cffi.FFI().from_buffer, tuple(ENV_NAMES)


def _construct(make_native: Any, cfg: EnvConfig, num_envs: int, threads: int) -> Any:
    try:
        return make_native(
            num=num_envs,
            env_name=cfg.game,
            rand_seed=0,  # unused: every level is assigned
            start_level=_SENTINEL_LOW,
            num_levels=_SENTINEL_SPAN,
            num_threads=threads,
            distribution_mode=cfg.distribution_mode,
            **cfg.options,
        )
    except (AssertionError, TypeError) as error:
        raise UserError(
            f"Procgen {cfg.game} with distribution_mode={cfg.distribution_mode}, {dict(cfg.options)}: {error}"
        ) from error
