"""Console games through stable-retro: finding a game and its verified ROM, and playing it with held actions.

One emulator fits in a process, so these games run in worker processes (envs/pool.py). The emulator has no
randomness: every episode begins with the same frame, and its actions alone decide the rest.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.checking import nearest
from genieredux.envs import actions as names
from genieredux.envs.adapters import Adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import transform
from genieredux.envs.game import GameFacts, Start
from genieredux.envs.ram import RamWatch
from genieredux.errors import UserError
from genieredux.retroact import find
from genieredux.retroact.roms import roms_folder
from genieredux.runs.places import user_path

OPTIONS = ("rom_folder", "state")


class RetroGame:
    """One emulator. Options: `rom_folder` (a folder of `<Game>-v0/rom.*` to look in first) and `state` (a
    saved start).
    """

    def __init__(self, cfg: EnvConfig) -> None:
        retro = _library()
        integration = _integration(retro, cfg)
        self.name = resolve(cfg)
        self.console = self.name.rsplit("-", 1)[1]
        state = cfg.options.get("state")
        known = retro.data.list_states(_folder(retro, self.name, integration), integration)
        if state is not None and state not in known:
            raise UserError(f"{self.name}: no saved state '{state}'; there are: {', '.join(known) or 'none'}")
        try:
            self._env = retro.make(
                _folder(retro, self.name, integration),
                state=state or retro.State.DEFAULT,
                inttype=integration,
                use_restricted_actions=retro.Actions.ALL,
                render_mode="rgb_array",  # the default opens a window
            )
        except RuntimeError as error:
            raise UserError(f"{self.name}: the emulator cannot load this game ({error})") from error
        self.action_names = cfg.action_names or names.CANONICAL
        self._masks = names.button_masks(self.action_names, tuple(self._env.buttons), self.console)
        scenario = retro.data.get_file_path(_folder(retro, self.name, integration), "scenario.json", integration)
        self._ram = RamWatch(self._env.data, Path(scenario))
        self._skip, self._start_frames = cfg.skip, cfg.start_frames
        self._size = cfg.image_size

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
        """Load the saved start. `start` changes nothing: the emulator has no seed and each game one start."""
        frame, _ = self._env.reset()
        self._ram.begin()
        if self._start_frames:
            frame = self._wait()
        self.native = frame
        return transform(frame, self._size), self._env.data.lookup_all()

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, Mapping[str, Any]]:
        """Hold the action's buttons for `frame_skip` emulator frames (fewer if the game ends); only the last
        is drawn.
        """
        emulator = self._env.em
        emulator.set_button_mask(self._masks[action], 0)
        total, done = 0.0, False
        for _ in range(self._skip):
            emulator.step()
            reward, done = self._ram.frame()
            total += reward
            if done:
                break
        self.native = self._env.get_screen(apply_rotation=True)
        return transform(self.native, self._size), total, done, False, self._env.data.lookup_all()

    def _wait(self) -> NDArray[np.uint8]:
        """Let the first frames pass with no button held, and draw the last of them."""
        emulator, data = self._env.em, self._env.data
        emulator.set_button_mask(np.zeros_like(self._masks[0]), 0)
        for _ in range(self._start_frames):
            emulator.step()
            data.update_ram()
        return np.asarray(self._env.get_screen(apply_rotation=True))

    def close(self) -> None:
        """Free the emulator."""
        self._env.close()


def resolve(cfg: EnvConfig) -> str:
    """The game's name without version suffix, after finding its ROM and verifying the ROM's hash.

    Raises `UserError` at an unknown game, a missing ROM, or a ROM that is not the one the game's memory map
    was made for (the library would run that without a word, often as a black picture).
    """
    retro = _library()
    integration = _integration(retro, cfg)
    known = find(cfg.game)
    game = known.name if known else cfg.game.removesuffix("-v0")
    if "-" not in game:
        raise _unknown(retro, cfg.game)
    folder = _folder(retro, game, integration)
    if retro.data.get_file_path(folder, "rom.sha", integration) is None:
        raise _unknown(retro, cfg.game)
    try:
        rom = retro.data.get_romfile_path(folder, integration)
    except FileNotFoundError:
        raise UserError(
            f"{game}: its ROM is not imported; with a ROM file that you own run "
            "`genieredux retroact import-roms FOLDER`, FOLDER being where your ROMs are"
        ) from None
    if retro.data.verify_hash(folder, integration):
        raise UserError(
            f"{game}: {rom} is not the ROM that this game was annotated for (its SHA-1 differs), so play and "
            "variables would be wrong; import the right version with `genieredux retroact import-roms FOLDER`"
        )
    return game


def _folder(retro: Any, game: str, integration: Any) -> str:
    """The name of the game's folder in the library: with -v0 in new releases, without in old ones."""
    versioned = f"{game}-v0"
    return versioned if retro.data.get_file_path(versioned, "rom.sha", integration) else game


def _unknown(retro: Any, game: str) -> UserError:
    known = [name.removesuffix("-v0") for name in retro.data.list_games(retro.data.Integrations.ALL)]
    near = nearest(game.removesuffix("-v0"), known)
    return UserError(f"stable-retro knows no game '{game}'; nearest: '{near}' (names are <Game>-<Console>)")


def _integration(retro: Any, cfg: EnvConfig) -> Any:
    if unknown := sorted(set(cfg.options) - set(OPTIONS)):
        raise UserError(f"retro options: unknown '{unknown[0]}'; known: {', '.join(OPTIONS)}")
    rom_folder = cfg.options.get("rom_folder")
    folder = roms_folder() if rom_folder is None else user_path(rom_folder).resolve()
    if not folder.is_dir():
        if rom_folder is None:
            return retro.data.Integrations.STABLE
        raise UserError(f"retro options.rom_folder: there is no folder {folder}")
    retro.data.Integrations.clear_custom_paths()
    retro.data.Integrations.add_custom_path(str(folder))
    return retro.data.Integrations.CUSTOM


def _library() -> Any:
    try:
        import stable_retro
    except ImportError as error:
        raise UserError(f"console games need the package stable-retro ({error}): `pip install stable-retro`") from error
    return stable_retro


def _describe(cfg: EnvConfig) -> GameFacts:
    game = resolve(cfg)
    return GameFacts(game, game.rsplit("-", 1)[1], cfg.action_names or names.CANONICAL)


ADAPTER = Adapter(_describe, RetroGame, processes="each", skip=4, waits=True, packages=("stable-retro",))
