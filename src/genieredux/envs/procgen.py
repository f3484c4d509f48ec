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

POSITIONS = "positions"
_PLAYER = {"coinrun": (0.5, 0.5787), "climber": (0.5, 0.5), "jumper": (0.254, 0.4), "ninja": (0.5, 0.5)}
"""Game -> half the width and height of its player, in tiles, as its saved state has them."""
_DRIFT = 4096
"""Bytes by which the text of random numbers before them may shift the entities within an episode."""


class _Place:
    """Where the player is, read off a saved state: it is the first of the entities there, which begin with its
    position, its speed (none at first) and its size."""

    def __init__(self, game: str) -> None:
        self._size = struct.pack("<2f", *_PLAYER[game])
        self._at, self._cells = 0, b""

    def begin(self, state: bytes | bytearray) -> None:
        """Find it in the state of an episode's first frame."""
        self._at = state.find(bytes(8) + self._size) - 8
        if self._at < 8:
            raise RuntimeError("this build of procgen saves its state in an unknown way: positions cannot be read")
        self._cells = bytes(state[self._at - 8 : self._at - 4])  # how many cells the level has

    def of(self, state: bytes | bytearray) -> dict[str, float]:
        """x and y in tiles; {} where they cannot be told."""
        end, at = self._at + _DRIFT, max(0, self._at - _DRIFT)
        while (at := state.find(self._cells, at, end)) >= 0:
            if state[at + 24 : at + 32] == self._size:
                self._at = at + 8
                x, y = struct.unpack_from("<ff", state, self._at)
                return {"x": float(x), "y": float(y)}
            at += 1
        return {}


class ProcgenGame:
    """One Procgen game in this process, one episode at a time: a single game stays in the processor's cache, so one
    per core plays about twice as fast as the library's own vector of many.

    Options: any keyword of Procgen's own constructor (use_backgrounds, ...); and `positions`: whether info says where
    the player is, `x` and `y` in tiles from the bottom left, in games whose player has one size (a tenth of a
    millisecond a step).
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
        self._place = _Place(cfg.game) if cfg.options.get(POSITIONS) else None
        self._steps = 0
        self._truth: dict[str, Any] = {}

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Play level `start.instance` from its beginning; Procgen needs no further seed."""
        length = self._saved()
        struct.pack_into("<ii", self._buffer, self._range_offset, start.instance, start.instance + 1)
        self._env.call_c_func("set_state", 0, self._c_buffer, length)
        frame, _, _ = self._act(self._restart)
        self._steps, self._truth = 0, {"level_seed": start.instance}
        if self._place is not None:
            self._place.begin(self._buffer[: self._saved()])
        return frame, self._told()

    def step(self, action: int) -> tuple[Frame | None, float, bool, bool, Mapping[str, Any]]:
        """Take one action; at an end there is no frame, and after `TIMEOUT_STEPS` it counts as truncated."""
        frame, reward, ended = self._act(self._actions[action])
        self._steps += 1
        truncated = ended and self._steps >= TIMEOUT_STEPS
        told = self._truth if ended else self._told()
        return None if ended else frame, reward, ended and not truncated, truncated, told

    def close(self) -> None:
        """Free the game."""
        self._env.close()

    def _act(self, native: NDArray[np.int32]) -> tuple[Frame, float, bool]:
        """A native action (1,): the frame, the reward, and whether the frame begins an episode."""
        self._env.act(native)
        rewards, obs, first = self._env.observe()
        self.native = obs["rgb"][0]
        return transform(self.native, self._size), float(rewards[0]), bool(first[0])

    def _saved(self) -> int:
        """Save the game's state into the buffer; its length."""
        return int(self._env.call_c_func("get_state", 0, self._c_buffer, _STATE_BYTES))

    def _told(self) -> Mapping[str, Any]:
        """Ground truth about the frame that is shown."""
        if self._place is None:
            return self._truth
        return {**self._truth, **self._place.of(self._buffer[: self._saved()])}

    def _find_range(self) -> int:
        """Where in a saved state the range lies from which the next level is drawn."""
        self._saved()
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
    if cfg.options.get(POSITIONS):
        one_of(f"options.{POSITIONS}: the game", cfg.game, _PLAYER)
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
            **{key: value for key, value in cfg.options.items() if key != POSITIONS},
        )
    except (AssertionError, TypeError) as error:
        raise UserError(
            f"Procgen {cfg.game} with distribution_mode={cfg.distribution_mode}, {dict(cfg.options)}: {error}"
        ) from error


def _describe(cfg: EnvConfig) -> GameFacts:
    return GameFacts(cfg.game, ProcgenGame.console, check_game(cfg))


ADAPTER = Adapter(_describe, ProcgenGame, processes="cores", packages=("procgen-mirror",))
