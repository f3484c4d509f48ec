"""Action names, and what each one presses on each console or sends to each game library.

The canonical platformer set is five actions in a fixed order; a data set's `action_names` says which it used.
The button that jumps follows the published data: A on Nes, Sms and GameBoy, B on Snes and 32x, C on Genesis,
the only one on Atari.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genieredux.checking import nearest
from genieredux.errors import UserError

CANONICAL = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
"""Canonical platformer actions: index in this tuple = action index."""

JUMP_BUTTON = {
    "Nes": "A",
    "Sms": "A",
    "GameBoy": "A",
    "Snes": "B",
    "32x": "B",
    "Genesis": "C",
    "Atari2600": "BUTTON",
}

_DIRECTIONS = ("RIGHT", "LEFT", "UP", "DOWN")

PROCGEN_ACTIONS = {
    "LEFT_DOWN": 0,
    "LEFT": 1,
    "LEFT_UP": 2,
    "DOWN": 3,
    "NOOP": 4,
    "UP": 5,
    "RIGHT_DOWN": 6,
    "RIGHT": 7,
    "RIGHT_UP": 8,
    "D": 9,
    "A": 10,
    "W": 11,
    "S": 12,
    "Q": 13,
    "E": 14,
}
"""Every Procgen action by name: the keys it holds, joined by an underscore."""

_ATARI_DIRECTIONS = ("UP", "RIGHT", "LEFT", "DOWN", "UP_RIGHT", "UP_LEFT", "DOWN_RIGHT", "DOWN_LEFT")

ATARI_ACTIONS = ("NOOP", "FIRE", *_ATARI_DIRECTIONS, *(f"{way}_FIRE" for way in _ATARI_DIRECTIONS))
"""The eighteen actions of the Arcade Learning Environment; index in this tuple = its own action number."""

PROCGEN_PLATFORMER = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
"""Procgen's platformers jump with UP, so UP is the jump here and RIGHT_UP the jump to the right."""

_PROCGEN_MOVES = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP", "RIGHT_DOWN", "LEFT_UP", "LEFT_DOWN", "NOOP")
_PROCGEN_DEFAULTS = {
    **dict.fromkeys(("coinrun", "climber", "jumper"), PROCGEN_PLATFORMER),
    "ninja": (*PROCGEN_PLATFORMER, "D", "A", "W", "S"),  # four ways to throw
    **dict.fromkeys(("bossfight", "caveflyer", "dodgeball", "plunder", "starpilot"), (*_PROCGEN_MOVES, "D")),
}


def select(wanted: tuple[str, ...], known: tuple[str, ...], where: str) -> list[int]:
    """Indices in `known` of the names in `wanted`. Raises `UserError` at a repeated or unknown name, naming
    the nearest.
    """
    for name in wanted:
        if name not in known:
            near = nearest(name, known)
            raise UserError(f"action_names: {where} has no action '{name}'; nearest: '{near}'; all: {', '.join(known)}")
    if not wanted or len(set(wanted)) != len(wanted):
        raise UserError(f"action_names for {where} must be distinct names, at least one; got {list(wanted)}")
    return [known.index(name) for name in wanted]


def procgen_names(game: str) -> tuple[str, ...]:
    """The default action names of a Procgen game: the platformer five, or the moves (with fire where the game
    has it).
    """
    return _PROCGEN_DEFAULTS.get(game, _PROCGEN_MOVES)


def procgen_ids(names: tuple[str, ...], game: str) -> NDArray[np.int32]:
    """Procgen's own action numbers, int32 (len(names),), for action names. Raises `UserError` at an unknown
    name.
    """
    known = tuple(PROCGEN_ACTIONS)
    return np.array([PROCGEN_ACTIONS[known[k]] for k in select(names, known, f"Procgen {game}")], dtype=np.int32)


def atari_ids(names: tuple[str, ...], game: str) -> NDArray[np.int64]:
    """The Arcade Learning Environment's action numbers, int64 (len(names),), for action names.

    ACTION_JUMP is FIRE; pieces may be joined by '_' or '+', as in `RIGHT+ACTION_JUMP`. Raises `UserError` at an
    unknown name.
    """
    plain = {name: re.sub(r"(ACTION_)?JUMP", "FIRE", name).replace("+", "_") for name in names}
    for name, meant in plain.items():
        if meant not in ATARI_ACTIONS:
            select((name,), ("ACTION_JUMP", *ATARI_ACTIONS), f"Atari {game}")
    return np.array(select(tuple(plain[name] for name in names), ATARI_ACTIONS, f"Atari {game}"), dtype=np.int64)


def button_masks(names: tuple[str, ...], buttons: tuple[str | None, ...], console: str) -> NDArray[np.uint8]:
    """What each action presses: uint8 (len(names), len(buttons)), 1 = held down.

    An action is canonical or a button of the console by its own name (`B`); '+' joins several, as in
    `RIGHT+ACTION_JUMP`; `NOOP` presses nothing. Raises `UserError` at a console whose jump button is not known, or an
    unknown name.
    """
    others = [button for button in buttons if button is not None and button not in CANONICAL]
    masks = np.zeros((len(names), len(buttons)), dtype=np.uint8)
    for row, name in enumerate(names):
        for part in name.split("+"):
            if part == "NOOP":
                continue
            select((part,), (*CANONICAL, "NOOP", *others), console)
            masks[row, buttons.index(_jump_button(console) if part == "ACTION_JUMP" else part)] = 1
    return masks


def as_indices(actions: ArrayLike, count: int, names: Sequence[str]) -> NDArray[np.int64]:
    """`actions` as int64 (count,). Raises `UserError` for another shape, a fraction, or an index of none of `names`."""
    given = np.asarray(actions)
    if given.shape != (count,):
        raise UserError(f"actions are of shape {given.shape}; needed is ({count},), one for each environment")
    if given.dtype.kind not in "biuf" or not (np.isfinite(given) & (given == np.rint(given))).all():
        raise UserError(f"actions are whole numbers; got {given.tolist()!r:.100}")
    if count and not 0 <= given.min() <= given.max() < len(names):
        raise UserError(
            f"actions go from 0 to {len(names) - 1} ({', '.join(names)}); got {given.min():g} to {given.max():g}"
        )
    return given.astype(np.int64)


def _jump_button(console: str) -> str:
    if console not in JUMP_BUTTON:
        raise UserError(
            f"console '{console}' has no known jump button; known: {', '.join(JUMP_BUTTON)}; "
            "choose action_names without ACTION_JUMP"
        )
    return JUMP_BUTTON[console]
