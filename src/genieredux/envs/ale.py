"""Atari games through the Arcade Learning Environment.

The library is asked for native pictures and plain play (no blending of two frames, no random no-ops, rewards as
they are), so its frames are those of a single emulator; the square picture is this project's own transform. Its
autoreset is not used: every episode is begun by an explicit reset with the start's seed. That loads the ROM anew,
without which 11 of the 104 games begin differently after another episode (ale-py 0.12.1), and so an episode
depends on its seed and its actions alone. The library (GPL-2) and the ROMs in it are an extra, read at run time.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genieredux.checking import nearest
from genieredux.envs import actions as names
from genieredux.envs.adapters import Adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import Frame, transform
from genieredux.envs.game import Game, GameFacts, Start
from genieredux.errors import UserError

TWO_PLAYERS_ONLY = ("combat", "joust", "maze_craze", "warlords")
"""ROMs that the library cannot load: it ends the whole process, so they are never touched."""

OPTIONS: Mapping[str, Any] = {
    "maxpool": False,  # the maximum of an action's last two frames, as agents like it; RetroAct has no such thing
    "noop_max": 0,  # up to so many no-ops at the beginning, drawn with the episode's seed
    "use_fire_reset": False,  # press FIRE at the beginning, where the game waits for it
    "repeat_action_probability": 0.0,  # sticky actions, drawn with the episode's seed
    "episodic_life": False,  # a lost life ends the episode
}
"""What `connector.options` may set, and its defaults."""

_SEED_SPAN = 2**31  # the library's seeds are 32-bit, and a negative one means none


class AleGame:
    """One Atari game by itself, 1.6 times as fast as the library's vector of one. It has no `OPTIONS`: those are the
    vector's, which draws with the seed.
    """

    console = "Atari2600"

    def __init__(self, cfg: EnvConfig) -> None:
        self.name, self.action_names = check_game(cfg)
        ale_py, roms, _ = _library()
        self._rom = roms.get_rom_path(self.name)
        self._ale = ale_py.ALEInterface()
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._actions = [ale_py.Action(int(number)) for number in names.atari_ids(self.action_names, self.name)]
        self._skip, self._size = cfg.skip, cfg.image_size

    def begin(self, start: Start) -> tuple[Frame, dict[str, Any]]:
        """Load the ROM anew. `start` changes nothing: without options every episode has the same beginning."""
        self._ale.loadROM(self._rom)
        self._ale.reset_game()
        return self._shown()

    def step(self, action: int) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Hold the action for `frame_skip` frames, or until the game is over; only the last is drawn."""
        gained = 0.0
        for _ in range(self._skip):
            gained += self._ale.act(self._actions[action])
            if self._ale.game_over():
                break
        frame, info = self._shown()
        return frame, gained, bool(self._ale.game_over()), False, info

    def _shown(self) -> tuple[Frame, dict[str, Any]]:
        self.native = self._ale.getScreenRGB()
        return transform(self.native, self._size), {"lives": self._ale.lives()}

    def close(self) -> None:
        """Nothing is held that Python does not free."""


class AleGameWithOptions:
    """One Atari game through the library's vector of one, which knows the `OPTIONS`."""

    console = "Atari2600"

    def __init__(self, cfg: EnvConfig) -> None:
        self.name, self.action_names = check_game(cfg)
        self._actions = [np.array([number]) for number in names.atari_ids(self.action_names, self.name)]
        self._native, self._size = _construct(self.name, cfg), cfg.image_size

    def begin(self, start: Start) -> tuple[Frame, dict[str, Any]]:
        """Reset with the start's seed, which loads the ROM anew."""
        pictures, native = self._native.reset(seed=np.array([start.seed % _SEED_SPAN]))
        return self._shown(pictures, native)

    def step(self, action: int) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Hold the action for `frame_skip` frames, or until the game is over."""
        pictures, rewards, over, cut, native = self._native.step(self._actions[action])
        frame, info = self._shown(pictures, native)
        return frame, float(rewards[0]), bool(over[0]), bool(cut[0]) and not bool(over[0]), info

    def close(self) -> None:
        """Free the emulator."""
        self._native.close()

    def _shown(self, pictures: Frame, native: Mapping[str, Any]) -> tuple[Frame, dict[str, Any]]:
        """The square form of the native picture, uint8 (1, 1, H, W, 3)."""
        self.native = pictures[0, 0]
        return transform(self.native, self._size), {"lives": int(native["lives"][0])}


def games() -> tuple[str, ...]:
    """The ROMs that can be played, by the library's names (`montezuma_revenge`), sorted. Raises `UserError`
    without the library.
    """
    _, roms, _ = _library()
    return tuple(sorted(set(roms.get_all_rom_ids()) - set(TWO_PLAYERS_ONLY)))


def check_game(cfg: EnvConfig) -> tuple[str, tuple[str, ...]]:
    """The ROM's name and the actions' names.

    A game may also be written as elsewhere: `MontezumaRevenge`, `MontezumaRevenge-Atari2600`, any case. Raises
    `UserError` where there is no such ROM, option or action, or no library.
    """
    known = {_squashed(name): name for name in games()}
    wanted = _squashed(cfg.game)
    if wanted in map(_squashed, TWO_PLAYERS_ONLY):
        raise UserError(f"'{cfg.game}' is for two players only, and the Arcade Learning Environment cannot run it")
    if wanted not in known:
        near = known[nearest(wanted, known)]
        raise UserError(f"ale-py brings no game '{cfg.game}'; nearest: '{near}' (of {len(known)})")
    if unknown := sorted(set(cfg.options) - set(OPTIONS)):
        near = nearest(unknown[0], OPTIONS)
        raise UserError(f"ale options: unknown '{unknown[0]}'; nearest: '{near}'; all: {', '.join(OPTIONS)}")
    for name, value in cfg.options.items():
        kinds = (int, float) if isinstance(OPTIONS[name], float) else (type(OPTIONS[name]),)
        if type(value) not in kinds:
            raise UserError(f"ale options.{name} is {value!r}; it must be like its default, {OPTIONS[name]!r}")
    action_names = cfg.action_names or names.CANONICAL
    names.atari_ids(action_names, known[wanted])
    return known[wanted], action_names


def _squashed(game: str) -> str:
    return game.lower().removesuffix("-v0").removesuffix("-atari2600").replace("_", "")


def _construct(game: str, cfg: EnvConfig) -> Any:
    ale_py, roms, make_vector = _library()
    probe = ale_py.ALEInterface()
    probe.loadROM(roms.get_rom_path(game))
    height, width = probe.getScreenDims()
    return make_vector(
        game,
        1,
        num_threads=1,
        img_height=height,
        img_width=width,
        grayscale=False,
        stack_num=1,
        frameskip=cfg.skip,
        reward_clipping=False,
        full_action_space=True,  # so that every action has the same number in every game
        **{**OPTIONS, **cfg.options},
    )


def _library() -> tuple[Any, Any, Callable[..., Any]]:
    try:
        import ale_py
        from ale_py import roms
        from ale_py.vector_env import AtariVectorEnv
    except ImportError as error:
        raise UserError(
            f'Atari games of kind=ale need the package ale-py ({error}): `pip install "genieredux[atari]"`'
        ) from error
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # else every emulator prints a banner
    return ale_py, roms, AtariVectorEnv


def _open(cfg: EnvConfig) -> Game:
    return AleGameWithOptions(cfg) if cfg.options else AleGame(cfg)


def _describe(cfg: EnvConfig) -> GameFacts:
    rom, action_names = check_game(cfg)
    return GameFacts(rom, AleGame.console, action_names)


ADAPTER = Adapter(_describe, _open, processes="cores", skip=4, packages=("ale-py",))
