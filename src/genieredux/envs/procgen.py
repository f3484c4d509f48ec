"""Procgen's sixteen games as a native vector: many games in this process, stepped by C++ threads.

The library draws levels by itself. Here every episode's level is assigned instead: a game's saved state holds
the range its next level is drawn from, and writing a range of one there fixes that level. So an episode
depends on its level and its actions alone, whatever runs beside it. (One exception, the library's own: in
dodgeball the pause after a throw outlives its episode, and the next one's first few frames can differ by it.)
Procgen shows no last frame of an episode; the action -1 is its own way to restart.
"""

import os
import struct
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.envs import actions as names
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import transform
from genieredux.envs.vector import GameVectorEnv
from genieredux.errors import UserError

RESTART = -1
TIMEOUT_STEPS = 1000  # Procgen ends most games' episodes by itself after so many steps
_STATE_BYTES = 1 << 20
# A range that no saved state holds by chance; it is found once, and then written over for every episode.
_SENTINEL_LOW, _SENTINEL_SPAN = 1_234_567_000, 7_654_321


class ProcgenVectorEnv(GameVectorEnv):
    """`num_envs` copies of one Procgen game. Options: any keyword of Procgen's own constructor
    (use_backgrounds, ...).
    """

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int) -> None:
        super().__init__(cfg, num_envs, seed)
        action_names = check_game(cfg)
        make_native, from_buffer, _ = _libraries()
        self._ids = names.procgen_ids(action_names, cfg.game)
        self._declare(cfg.game, "Procgen", action_names)
        self._native = _construct(make_native, cfg, num_envs)
        self._buffer = bytearray(_STATE_BYTES)
        self._c_buffer = from_buffer(self._buffer)
        self._range_offset = self._find_range()
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
            self._write_range(int(index), self._upcoming[index].instance)
        self._stale[:] = False
        self._native.act(native)
        rewards, obs, first = self._native.observe()
        frames = obs["rgb"]
        if self.cfg.image_size != frames.shape[1]:
            frames = np.stack([transform(frame, self.cfg.image_size) for frame in frames])
        return frames, rewards.astype(np.float64), first

    def _ground_truth(self) -> dict[str, Any]:
        return {"level_seed": np.array([start.instance for start in self._current], dtype=np.int64)}

    def _find_range(self) -> int:
        self._native.call_c_func("get_state", 0, self._c_buffer, _STATE_BYTES)
        marker = struct.pack("<ii", _SENTINEL_LOW, _SENTINEL_LOW + _SENTINEL_SPAN)
        offset = self._buffer.find(marker)
        if offset < 0 or self._buffer.count(marker) != 1:
            raise RuntimeError("this build of procgen saves its state in an unknown way: levels cannot be assigned")
        return offset

    def _write_range(self, index: int, level: int) -> None:
        """From its next restart on, environment `index` plays `level`. The episode under way is not changed
        by it.
        """
        length = self._native.call_c_func("get_state", index, self._c_buffer, _STATE_BYTES)
        struct.pack_into("<ii", self._buffer, self._range_offset, level, level + 1)
        self._native.call_c_func("set_state", index, self._c_buffer, length)

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


def _construct(make_native: Any, cfg: EnvConfig, num_envs: int) -> Any:
    threads = cfg.num_workers or len(os.sched_getaffinity(0))
    try:
        return make_native(
            num=num_envs,
            env_name=cfg.game,
            rand_seed=0,  # unused: every level is assigned
            start_level=_SENTINEL_LOW,
            num_levels=_SENTINEL_SPAN,
            num_threads=min(threads, num_envs),
            distribution_mode=cfg.distribution_mode,
            **cfg.options,
        )
    except (AssertionError, TypeError) as error:
        raise UserError(
            f"Procgen {cfg.game} with distribution_mode={cfg.distribution_mode}, {dict(cfg.options)}: {error}"
        ) from error
