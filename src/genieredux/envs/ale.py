"""Atari games through the Arcade Learning Environment's own vector: many emulators in this process, stepped by
C++ threads.

The library is asked for native pictures and plain play (no blending of two frames, no random no-ops, rewards as
they are), so its frames are those of a single emulator; the square picture is this project's own transform. Its
autoreset is not used: every episode is begun by an explicit reset with the start's seed. That loads the ROM anew,
without which 11 of the 104 games begin differently after another episode (ale-py 0.12.1), and so an episode
depends on its seed and its actions alone. The library (GPL-2) and the ROMs in it are an extra, read at run time.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.envs import actions as names
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import transform
from genieredux.envs.vector import GameVectorEnv, Start
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
    """One Atari game by itself, 1.6 times as fast as a vector of one; episode for episode the same as a lane of
    `AleVectorEnv`. It has no `OPTIONS`: those are the vector's, which draws with the seed.
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

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Load the ROM anew. `start` changes nothing: without options every episode has the same beginning."""
        self._ale.loadROM(self._rom)
        self._ale.reset_game()
        return self._shown()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Hold the action for `frame_skip` frames, or until the game is over; only the last is drawn."""
        gained = 0.0
        for _ in range(self._skip):
            gained += self._ale.act(self._actions[action])
            if self._ale.game_over():
                break
        frame, info = self._shown()
        return frame, gained, bool(self._ale.game_over()), False, info

    def _shown(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        return transform(self._ale.getScreenRGB(), self._size), {"lives": self._ale.lives()}

    def close(self) -> None:
        """Nothing is held that Python does not free."""


class AleVectorEnv(GameVectorEnv):
    """`num_envs` copies of one Atari game. Ground truth: `lives` (0 where the game has none)."""

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int) -> None:
        super().__init__(cfg, num_envs, seed)
        game, action_names = check_game(cfg)
        self._ids = names.atari_ids(action_names, game)
        self._declare(game, "Atari2600", action_names)
        threads = min(cfg.num_workers or len(os.sched_getaffinity(0)), num_envs)
        self._native = _construct(game, cfg, num_envs, threads)
        self._painters = ThreadPoolExecutor(threads, thread_name_prefix="frame") if threads > 1 else None
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._lives = np.zeros(num_envs, dtype=np.int64)
        self._frames = np.zeros(self.observation_space.shape or (), dtype=np.uint8)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode everywhere: assigned starts where there are any, else drawn ones."""
        self._prepare_reset(seed, options)
        self._start(np.ones(self.num_envs, dtype=bool))
        return self._frames.copy(), {"lives": self._lives.copy()}

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action per environment, int (N,), held for `cfg.skip` frames. Parked ones repeat their frame."""
        playing = ~self._parked
        pictures, gained, over, cut, native = self._native.step(self._ids[np.asarray(actions)])
        self._show(pictures, playing)
        self._lives[playing] = native["lives"][playing]
        self._steps += 1
        terminated = over & playing
        truncated = (cut | (self._steps == (self.cfg.max_episode_steps or -1))) & playing & ~terminated
        ended = terminated | truncated
        info: dict[str, Any] = {"broken": np.zeros(self.num_envs, dtype=bool)}
        if ended.any():
            info |= {"final_obs": self._frames.copy(), "_final_obs": ended}
            info |= {"final_info": {"lives": self._lives.copy()}, "_final_info": ended}
            self._start(ended)
        info["lives"] = self._lives.copy()
        return self._frames.copy(), np.where(playing, gained, 0.0), terminated, truncated, info

    def _start(self, mask: NDArray[np.bool_]) -> None:
        """Begin the upcoming episodes of the environments in `mask` (N,)."""
        lanes = np.flatnonzero(mask)
        seeds = np.array([self._upcoming[index].seed % _SEED_SPAN for index in lanes])
        pictures, native = self._native.reset(seed=seeds, options={"reset_mask": mask} if not mask.all() else None)
        self._show(pictures, mask)
        self._lives[mask] = native["lives"][mask]
        self._steps[mask] = 0
        for index in lanes:
            self._begin(int(index))

    def _show(self, pictures: NDArray[np.uint8], mask: NDArray[np.bool_]) -> None:
        """Keep the square form of those native pictures, uint8 (N, 1, H, W, 3), that are in `mask`."""

        def paint(index: int) -> None:
            self._frames[index] = transform(pictures[index, 0], self.cfg.image_size)

        list((self._painters.map if self._painters else map)(paint, np.flatnonzero(mask)))

    def close_extras(self, **kwargs: Any) -> None:
        """Free the emulators."""
        if self._painters:
            self._painters.shutdown()
        self._native.close()


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
        near = known[get_close_matches(wanted, known, n=1, cutoff=0.0)[0]]
        raise UserError(f"ale-py brings no game '{cfg.game}'; nearest: '{near}' (of {len(known)})")
    if unknown := sorted(set(cfg.options) - set(OPTIONS)):
        near = get_close_matches(unknown[0], OPTIONS, n=1, cutoff=0.0)[0]
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


def _construct(game: str, cfg: EnvConfig, num_envs: int, threads: int) -> Any:
    ale_py, roms, make_vector = _library()
    probe = ale_py.ALEInterface()
    probe.loadROM(roms.get_rom_path(game))
    height, width = probe.getScreenDims()
    return make_vector(
        game,
        num_envs,
        num_threads=threads,
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
