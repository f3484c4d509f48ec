"""Where ROMs are: the user's cache, and the ones that stable-retro already has in its own folders.

Looks at file names alone; whether a file is the right one is for verifying.py.
"""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from genieredux.retroact.catalogue import Game, catalogue, resolve
from genieredux.runs.places import cache_folder


def roms_folder() -> Path:
    """`$GENIEREDUX_CACHE/roms`, or `genieredux/roms` in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`).

    It may not exist yet. Its layout is stable-retro's for custom integrations: `<Game>-v0/rom.<extension>`.
    """
    return cache_folder("roms")


def rom_path(game: Game | str) -> Path | None:
    """The game's ROM file, from the cache before stable-retro's own folders; None where there is none.

    Raises `UserError` at an unknown name.
    """
    return _rom_in(_roots(), resolve(game) if isinstance(game, str) else game)


def runnable(game: Game | str) -> bool:
    """Whether the game has a ROM here (which ROM it is, is not checked). Raises `UserError` at an unknown name."""
    return rom_path(game) is not None


def present_roms() -> dict[str, Path]:
    """The ROM file of every game that has one here, by game id."""
    roots = _roots()
    return {game.game: path for game in catalogue() if (path := _rom_in(roots, game))}


def add_to_stable_retro() -> None:
    """Make stable-retro itself find the cached ROMs in this process: `stable_retro.make('Hero-Atari2600-v0')`.

    May be called again at any time; does nothing while no ROM was imported.
    """
    import stable_retro

    folder, sets = roms_folder(), stable_retro.data.Integrations
    if not folder.is_dir():
        return
    if str(folder) not in getattr(sets, "CUSTOM_PATHS", ()):
        stable_retro.data.add_custom_integration(str(folder))
    else:
        stable_retro.data.add_integrations(sets.CUSTOM_ONLY)


def _rom_in(roots: Sequence[Path], game: Game) -> Path | None:
    for root in roots:
        path = root / game.game / game.rom_files[0]
        if os.path.isfile(path):
            return path
    return None


def _roots() -> list[Path]:
    """The cache, then stable-retro's folder of stable integrations (found without importing it)."""
    if own := os.environ.get("RETRO_DATA_PATH"):
        return [roms_folder(), Path(own) / "stable"]
    spec = find_spec("stable_retro")
    places = spec.submodule_search_locations if spec else None
    return [roms_folder(), *(Path(place) / "data" / "stable" for place in places or ())]
