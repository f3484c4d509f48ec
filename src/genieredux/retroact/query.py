"""Games by their labels, and the published selections of games.

Knows the catalogue, and of ROMs only whether a game has one here.
"""

from collections.abc import Callable, Mapping, Sequence

from genieredux.checking import nearest
from genieredux.errors import UserError
from genieredux.retroact.catalogue import Game, catalogue
from genieredux.retroact.roms import present_roms
from genieredux.retroact.words import GENRES, MOTIONS, RETROACT, VIEWS

Words = str | Sequence[str] | None

G200_GAMES = 200
"""The published pretraining uses the first 200 platformers."""

CONTROL_RULES: Mapping[str, tuple[str, ...]] = {
    "RIGHT": ("right",),
    "LEFT": ("left",),
    "UP": ("climb", "none"),
    "DOWN": ("none", "crouch", "climb"),
    "ACTION_JUMP": ("jump",),
}
"""What the published filter asks of a control-annotated game: of each control, one of these words."""


def select(
    view: Words = None,
    motion: Words = None,
    genre: Words = None,
    console: Words = None,
    controls: bool | None = None,
    runnable: bool | None = None,
) -> tuple[Game, ...]:
    """The games that fit every filter given, sorted by name; no filter = all games.

    view, motion, genre, console: a word or a list of words, in any letter case; a game fits if it has one of them.
    controls: whether its buttons are annotated. runnable: whether its ROM is here.
    Raises `UserError` at a word that no game has, naming the nearest and all valid ones.
    """
    consoles = sorted({game.console for game in catalogue()})
    wanted = {
        "view": _valid("view", view, VIEWS),
        "motion": _valid("motion", motion, MOTIONS),
        "genre": _valid("genre", genre, GENRES),
        "console": _valid("console", console, consoles),
    }
    fits = [
        game
        for game in catalogue()
        if all(words is None or getattr(game, label) in words for label, words in wanted.items())
        and (controls is None or (game.controls is not None) == controls)
    ]
    if runnable is not None:
        here = present_roms()
        fits = [game for game in fits if (game.game in here) == runnable]
    return tuple(fits)


def selection(name: str) -> tuple[str, ...]:
    """The games (names without -v0, sorted) of a published selection, derived by its published rule.

    `pretrain`: the 483 platformers. `g200`: the first 200 of them. `control`: the 50 whose controls agree
    (`CONTROL_RULES`). Only games that RetroAct v0.1 labels take part. Raises `UserError` at another name.
    """
    if name not in SELECTIONS:
        raise UserError(f"there is no selection '{name}'; nearest: '{nearest(name, SELECTIONS)}'; {_all(SELECTIONS)}")
    return tuple(game.name for game in SELECTIONS[name]())


def _pretrain() -> list[Game]:
    return [game for game in select(genre="pl") if game.labelled_by == RETROACT]


def _g200() -> list[Game]:
    return _pretrain()[:G200_GAMES]


def _control() -> list[Game]:
    return [
        game
        for game in catalogue()
        if game.controls and all(game.controls[key] in words for key, words in CONTROL_RULES.items())
    ]


SELECTIONS: Mapping[str, Callable[[], list[Game]]] = {"pretrain": _pretrain, "g200": _g200, "control": _control}


def _valid(label: str, words: Words, known: Sequence[str] | Mapping[str, str]) -> set[str] | None:
    """The words as the catalogue writes them, or None for no filter."""
    if words is None:
        return None
    spelling = {word.lower(): word for word in known}
    chosen = set()
    for word in [words] if isinstance(words, str) else words:
        if word.lower() not in spelling:
            meant = [one for one in known if isinstance(known, Mapping) and word.lower() in known[one]]
            near = meant[0] if meant and word else spelling[nearest(word.lower(), spelling)]
            raise UserError(f"there is no {label} '{word}'; nearest: '{near}'; {_all(known)}")
        chosen.add(spelling[word.lower()])
    return chosen


def _all(known: Sequence[str] | Mapping[str, object]) -> str:
    return f"all: {', '.join(known)}"
