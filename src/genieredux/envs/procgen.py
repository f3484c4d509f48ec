"""Procgen's sixteen games.

The library draws levels by itself. Here every episode's level is assigned instead: a game's saved state holds
the range its next level is drawn from, and writing a range of one there fixes that level. So an episode
depends on its level and its actions alone, whatever runs beside it. (One exception, the library's own: in
dodgeball the pause after a throw outlives its episode, and the next one's first few frames can differ by it.)
Procgen shows no last frame of an episode; the action -1 is its own way to restart.
"""

import struct
from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.checking import one_of
from genieredux.envs import actions as names
from genieredux.envs.adapters import Adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import Frame, transform
from genieredux.envs.game import GameFacts, Start
from genieredux.errors import UserError

RESTART = -1
TIMEOUT_STEPS = 1000  # Procgen ends most games' episodes by itself after so many steps
_STATE_BYTES = 1 << 20
# A range that no saved state holds by chance; it is found once, and then written over for every episode.
_SENTINEL_LOW, _SENTINEL_SPAN = 1_234_567_000, 7_654_321


class ProcgenGame:
    """One Procgen game in this process, one episode at a time: a single game stays in the processor's cache, so one
    per core plays about twice as fast as the library's own vector of many.

    Options: any keyword of Procgen's own constructor (use_backgrounds, ...).
    """

    console = "Procgen"

    def __init__(self, cfg: EnvConfig) -> None:
        self.action_names = check_game(cfg)
        make_native, from_buffer, _ = _libraries()
        self.name, self._size = cfg.game, cfg.image_size
        self._actions = [np.array([number], np.int32) for number in names.procgen_ids(self.action_names, cfg.game)]
        self._restart = np.array([RESTART], dtype=np.int32)
        self._env = _construct(make_native, cfg)
        self._buffer = bytearray(_STATE_BYTES)
        self._c_buffer = from_buffer(self._buffer)
        self._range_offset = self._find_range()
        self._steps = 0
        self._truth: dict[str, Any] = {}

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Play level `start.instance` from its beginning; Procgen needs no further seed."""
        length = self._env.call_c_func("get_state", 0, self._c_buffer, _STATE_BYTES)
        struct.pack_into("<ii", self._buffer, self._range_offset, start.instance, start.instance + 1)
        self._env.call_c_func("set_state", 0, self._c_buffer, length)
        frame, _, _ = self._act(self._restart)
        self._steps, self._truth = 0, {"level_seed": start.instance}
        return frame, self._truth

    def step(self, action: int) -> tuple[Frame | None, float, bool, bool, Mapping[str, Any]]:
        """Take one action; at an end there is no frame, and after `TIMEOUT_STEPS` it counts as truncated."""
        frame, reward, ended = self._act(self._actions[action])
        self._steps += 1
        truncated = ended and self._steps >= TIMEOUT_STEPS
        return None if ended else frame, reward, ended and not truncated, truncated, self._truth

    def close(self) -> None:
        """Free the game."""
        self._env.close()

    def _act(self, native: NDArray[np.int32]) -> tuple[Frame, float, bool]:
        """A native action (1,): the frame, the reward, and whether the frame begins an episode."""
        self._env.act(native)
        rewards, obs, first = self._env.observe()
        return transform(obs["rgb"][0], self._size), float(rewards[0]), bool(first[0])

    def _find_range(self) -> int:
        """Where in a saved state the range lies from which the next level is drawn."""
        self._env.call_c_func("get_state", 0, self._c_buffer, _STATE_BYTES)
        marker = struct.pack("<ii", _SENTINEL_LOW, _SENTINEL_LOW + _SENTINEL_SPAN)
        offset = self._buffer.find(marker)
        if offset < 0 or self._buffer.count(marker) != 1:
            raise RuntimeError("this build of procgen saves its state in an unknown way: levels cannot be assigned")
        return offset


def check_game(cfg: EnvConfig) -> tuple[str, ...]:
    """The action names of a Procgen game. Raises `UserError` where there is no such game or action, or no
    Procgen.
    """
    _, _, games = _libraries()
    one_of("Procgen game", cfg.game, games)
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


def _construct(make_native: Any, cfg: EnvConfig) -> Any:
    try:
        return make_native(
            num=1,
            env_name=cfg.game,
            rand_seed=0,  # unused: every level is assigned
            start_level=_SENTINEL_LOW,
            num_levels=_SENTINEL_SPAN,
            num_threads=0,
            distribution_mode=cfg.distribution_mode,
            **cfg.options,
        )
    except (AssertionError, TypeError) as error:
        raise UserError(
            f"Procgen {cfg.game} with distribution_mode={cfg.distribution_mode}, {dict(cfg.options)}: {error}"
        ) from error


def _describe(cfg: EnvConfig) -> GameFacts:
    return GameFacts(cfg.game, ProcgenGame.console, check_game(cfg))


ADAPTER = Adapter(_describe, ProcgenGame, processes="cores", packages=("procgen-mirror",))
