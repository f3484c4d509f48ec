"""Whether the ROMs that are here are the right ones.

stable-retro never checks when it makes a game: a wrong file plays, often as a black picture, with variables
read from the wrong places.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genieredux.retroact.catalogue import Game, resolve
from genieredux.retroact.roms.dumps import stored_sha1
from genieredux.retroact.roms.places import present_roms, rom_path


@dataclass(frozen=True)
class Verified:
    """One game's ROM, looked at."""

    game: str
    """The game's name, without -v0."""
    path: Path | None
    problem: str
    """What is wrong; empty where nothing is."""

    @property
    def ok(self) -> bool:
        """Whether this is the ROM that the game was annotated for."""
        return not self.problem


def verify(games: Iterable[Game | str] | None = None) -> list[Verified]:
    """Hash the ROM of each game given, or of every game that has one here.

    Raises `UserError` at an unknown name; a missing or wrong ROM is told in the result.
    """
    chosen = present_roms() if games is None else games
    return [_verified(resolve(game) if isinstance(game, str) else game) for game in chosen]


def _verified(game: Game) -> Verified:
    path = rom_path(game)
    if path is None:
        return Verified(game.name, None, "no ROM here; bring it with `genieredux retroact import-roms FOLDER`")
    for name in game.rom_files:
        if problem := _problem(path.with_name(name), game):
            return Verified(game.name, path.with_name(name), problem)
    return Verified(game.name, path, "")


def _problem(path: Path, game: Game) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not data:
        return "empty file"
    digest = stored_sha1(data, game.console)
    return "" if digest in game.rom_sha1s else f"SHA-1 {digest}, expected {' or '.join(game.rom_sha1s)}"
