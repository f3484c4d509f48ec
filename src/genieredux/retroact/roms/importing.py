"""Bringing ROMs in: match every file by its SHA-1, keep the right ones in the cache, say why of the others.

Knows games by the catalogue; never writes anywhere but below the cache.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genieredux.retroact.catalogue import Game, catalogue
from genieredux.retroact.roms.dumps import INES, readings, stored_sha1
from genieredux.retroact.roms.places import roms_folder
from genieredux.retroact.roms.search import ARCHIVES, Found, search
from genieredux.runs.files import write_bytes

_ENDINGS = {
    "Nes": ".nes",
    "Genesis": ".md .gen .smd .bin",
    "Atari2600": ".bin .a26",
    "Snes": ".sfc .smc .fig .swc",
    "Sms": ".sms",
    "GameBoy": ".gb",
    "32x": ".32x",
    "N64": ".n64 .z64 .v64",
    "Saturn": ".chd",
    "": ".rom .gbc .gba .gg",
}
"""Consoles of the catalogue, and the endings of their ROM files; last those of ROMs that it has no games for."""

_ROM_ENDINGS = " ".join(_ENDINGS.values()).split()
_MOST_ATARI_BYTES = 64 * 1024

OTHER_VERSION = "named like a game, but not the version of it that stable-retro knows"
NO_GAME = "no game of stable-retro has this ROM"
UNREADABLE = "cannot be read as a ROM"
NOT_A_ROM = "not a ROM"
KINDS = (OTHER_VERSION, NO_GAME, UNREADABLE, NOT_A_ROM)
"""Why a file is no game's ROM."""


@dataclass(frozen=True)
class Imported:
    """A ROM that belongs to a game."""

    game: str
    """The game's name, without -v0."""
    source: str
    """Where it was found."""
    path: Path
    """Where it now lies."""


@dataclass(frozen=True)
class Unmatched:
    """A file that is no game's ROM."""

    source: str
    kind: str
    """One of `KINDS`."""
    detail: str
    """The game it is named like, its SHA-1, or what is wrong with it."""


@dataclass(frozen=True)
class ImportReport:
    """What an import found, in the order of finding."""

    folder: Path
    """The cache."""
    matched: tuple[Imported, ...]
    """New in the cache, or put in place of a wrong file."""
    present: tuple[Imported, ...]
    """Already there."""
    unmatched: tuple[Unmatched, ...]


def import_roms(
    paths: Iterable[str | Path], on_file: Callable[[str, Imported | None], None] | None = None
) -> ImportReport:
    """Copy every ROM below `paths` that a game of stable-retro has the SHA-1 of to `<cache>/<Game>-v0/rom.<ext>`.

    paths: folders, files, zips (also within each other), or the word `ale-py` for the ROMs of the installed ale-py.
    on_file: called with each file's source, and what was imported from it.
    Each ROM appears atomically. Raises `UserError` at a path that is not there and a cache that cannot be written;
    a file that cannot be used is reported, never raised.
    """
    known = {digest: game for game in catalogue() for digest in game.rom_sha1s}
    matched: list[Imported] = []
    present: list[Imported] = []
    unmatched: list[Unmatched] = []
    for found in search(paths):
        one = None
        if not (fit := _match(found, known)):
            if not _is_opened_zip(found):
                unmatched.append(_unmatched(found))
        else:
            game, data = fit
            one = Imported(game.name, found.source, roms_folder() / game.game / game.rom_files[0])
            (matched if _store(game, data) else present).append(one)
        if on_file:
            on_file(found.source, one)
    return ImportReport(roms_folder(), tuple(matched), tuple(present), tuple(unmatched))


def _match(found: Found, known: dict[str, Game]) -> tuple[Game, bytes] | None:
    """The game whose ROM this is, and the bytes to keep."""
    for digest, data in readings(found.data, nes=found.source.lower().endswith(".nes")) if found.data else ():
        if digest in known:
            return known[digest], data
    return None


def _store(game: Game, data: bytes) -> bool:
    """Keep the ROM under each name that the emulator wants; False if it was there already."""
    fresh = False
    for name in game.rom_files:
        path = roms_folder() / game.game / name
        if path.is_file() and stored_sha1(path.read_bytes(), game.console) in game.rom_sha1s:
            continue
        write_bytes(path, data)
        fresh = True
    return fresh


def _is_opened_zip(found: Found) -> bool:
    """A readable zip is answered for by its members."""
    return bool(found.data) and (found.source.lower().endswith(".zip") or found.data.startswith(b"PK\x03\x04"))


def _unmatched(found: Found) -> Unmatched:
    name = PurePosixPath(found.source)
    ending = name.suffix.lower()
    header = found.data.startswith(INES)
    if found.problem and (not ending or ending in _ROM_ENDINGS or ending in ARCHIVES):
        return Unmatched(found.source, UNREADABLE, found.problem)
    if (ending not in _ROM_ENDINGS and not header) or (ending == ".md" and _is_text(found.data)):
        return Unmatched(found.source, NOT_A_ROM, ending)
    if ending == ".nes" and not header:
        return Unmatched(found.source, UNREADABLE, "it has no iNES header, which the emulator needs")
    digest = f"SHA-1 {stored_sha1(found.data, 'Nes' if header else '')}"
    if like := _game_of_that_name(name.stem, ending, len(found.data)):
        return Unmatched(found.source, OTHER_VERSION, f"{like.name}, {digest}")
    return Unmatched(found.source, NO_GAME, digest)


def _is_text(data: bytes) -> bool:
    """Markdown shares its ending with Genesis ROMs, which are never valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _game_of_that_name(stem: str, ending: str, size: int) -> Game | None:
    """The game that a file calls itself: `Legend of Zelda, The (USA) [!].nes`, `montezuma_revenge.bin`."""
    consoles = [console for console, endings in _ENDINGS.items() if ending in endings.split()]
    if len(consoles) > 1:
        consoles = ["Atari2600" if size <= _MOST_ATARI_BYTES else "Genesis"]
    title = _bare(stem)
    for game in catalogue():
        if game.console in consoles and _bare(game.name.rsplit("-", 1)[0]) == title:
            return game
    return None


def _bare(title: str) -> str:
    """Letters and digits alone, without regions, versions and the article."""
    plain = re.sub(r"\(.*?\)|\[.*?\]", "", title.lower()).replace("&", "and").strip()
    plain = re.sub(r"^the[\s_]+|,\s*the\b", "", plain)
    return re.sub(r"[^a-z0-9]", "", plain)
