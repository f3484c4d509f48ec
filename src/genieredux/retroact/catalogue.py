"""Which games there are: the catalogue file as objects, and a game by its name.

Reads the packaged tables alone (no stable-retro, no ROM), so it is fast and works on any machine.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

from genieredux.checking import nearest_few
from genieredux.errors import UserError
from genieredux.retroact.words import CONTROLS

SUFFIX = "-v0"
"""What stable-retro 1.x appends to the names that older releases and the published tables use."""


@dataclass(frozen=True)
class Game:
    """One game of stable-retro: its labels, and what its integration declares."""

    game: str
    """The id that stable-retro takes, such as `SuperMarioBros-Nes-v0`."""
    name: str
    """The id without `-v0`, as published tables and data sets write it."""
    console: str
    """`Nes`, `Genesis`, `Snes`, `Sms`, `GameBoy`, `Atari2600`, `32x`, `Arcade`, `N64` or `Saturn`."""
    view: str
    """Camera: a word of `words.VIEWS`."""
    motion: str
    """Axis of the player's motion: a word of `words.MOTIONS`."""
    genre: str
    """A word of `words.GENRES`."""
    labelled_by: str
    """`RetroAct v0.1`, or `GenieRedux` for the 32 games that the published table lacks."""
    controls: Mapping[str, str] | None = field(hash=False)
    """What the buttons do, by the eight names of `words.CONTROLS`; None where nobody has labelled it."""
    buttons: tuple[str | None, ...]
    """The console's buttons in the order of the emulator's action vector; None = a position without button."""
    default_state: str
    """The saved state in which the game begins."""
    variables: tuple[str, ...]
    """Names of the ground-truth variables (score, lives, ...) that the integration reads from memory."""
    rom_sha1s: tuple[str, ...]
    """SHA-1 of each right ROM, lower case; of a Nes ROM without its 16-byte header."""
    rom_files: tuple[str, ...] = field(repr=False)
    """The file names under which stable-retro wants the ROM; the first is the one by which it finds it."""
    note: str = field(default="", repr=False)
    """A remark on the labels."""

    @property
    def tags(self) -> tuple[str, str, str]:
        """(view, motion, genre), the order of the published `tags` column."""
        return self.view, self.motion, self.genre


@functools.cache
def catalogue() -> tuple[Game, ...]:
    """Every stable game of stable-retro 1.0.1, 1,006 of them, sorted by name."""
    buttons = {row["console"]: tuple(word or None for word in row["buttons"].split(" ")) for row in _rows("consoles")}
    return tuple(_game(row, buttons[row["console"]]) for row in _rows("catalogue"))


def resolve(name: str) -> Game:
    """The game of that name: `SuperMarioBros-Nes`, with `-v0` or without, in any letter case.

    Raises `UserError` with the nearest names where there is none.
    """
    if found := find(name):
        return found
    near = nearest(name)
    raise UserError(
        f"stable-retro knows no game '{name}'; nearest: {', '.join(near)} (names are <Game>-<Console>; "
        "`genieredux retroact list` has them all)"
    )


def find(name: str) -> Game | None:
    """As `resolve`, but None where there is no such game."""
    return _by_name().get(_plain(name))


def nearest(name: str, count: int = 3) -> list[str]:
    """The `count` names (without -v0) most like `name`: the same title on another console first, then titles that
    begin with it.
    """
    title, _, console = _plain(name).partition("-")
    same = [key for key in _by_name() if key.partition("-")[0] == title]
    longer = sorted((key for key in _by_name() if title and key.startswith(title)), key=len)
    written = {key if console else key.partition("-")[0]: key for key in _by_name()}
    alike = [written[text] for text in nearest_few(_plain(name), written, count)]
    return [_by_name()[key].name for key in list(dict.fromkeys([*same, *longer, *alike]))[:count]]


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(SUFFIX)


@functools.cache
def _by_name() -> dict[str, Game]:
    return {_plain(game.name): game for game in catalogue()}


def _rows(table: str) -> list[dict[str, str]]:
    text = (files("genieredux.retroact") / f"{table}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _game(row: dict[str, str], buttons: tuple[str | None, ...]) -> Game:
    controls = {key: row[key] for key in CONTROLS if row[key]}
    return Game(
        game=row["game"],
        name=row["game"].removesuffix(SUFFIX),
        console=row["console"],
        view=row["view"],
        motion=row["motion"],
        genre=row["genre"],
        labelled_by=row["labelled_by"],
        controls=controls or None,
        buttons=buttons,
        default_state=row["default_state"],
        variables=tuple(row["variables"].split()),
        rom_sha1s=tuple(row["rom_sha1s"].split()),
        rom_files=tuple(row["rom_files"].split()),
        note=row["note"],
    )
