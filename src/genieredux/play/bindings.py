"""Which keys mean which action. It knows action names only: no world, no browser.

An action is a chord of one or more pieces: RIGHT_UP is RIGHT and UP at once, ACTION_JUMP is JUMP alone,
LEFT+ACTION_JUMP is LEFT and JUMP. Keys press pieces; the pieces that are down choose the action.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DIRECTIONS = ("RIGHT", "LEFT", "UP", "DOWN")
_IDLE = ("NOOP", "NONE", "NOTHING", "IDLE", "WAIT")
# Browser key codes: places on the keyboard, so WASD lies where it should on every layout.
_DIRECTION_KEYS = {
    "RIGHT": ("ArrowRight", "KeyD"),
    "LEFT": ("ArrowLeft", "KeyA"),
    "UP": ("ArrowUp", "KeyW"),
    "DOWN": ("ArrowDown", "KeyS"),
}
_BUTTON_KEYS = ("Space", "KeyJ", "KeyL", "KeyU", "KeyI", "KeyO", "KeyZ", "KeyX", "KeyC", "KeyV")


@dataclass(frozen=True)
class Bindings:
    """chords: the pieces of every action, by action index. keys: browser key code -> piece.

    idle: the action for no key (a NOOP), or None: then the dream waits.
    """

    chords: tuple[tuple[str, ...], ...]
    keys: dict[str, str]
    idle: int | None

    def resolve(self, held: Sequence[str]) -> int | None:
        """The action for the pieces that are down, the latest last.

        The action with exactly these pieces, else the largest chord among them; of equals the one that holds
        the latest piece. None when nothing fits and there is no idle action.
        """
        down = {piece: order for order, piece in enumerate(held)}
        best, best_rank = self.idle, (0, -1)
        for action, chord in enumerate(self.chords):
            if chord and all(piece in down for piece in chord):
                rank = (len(chord), max(down[piece] for piece in chord))
                if rank > best_rank:
                    best, best_rank = action, rank
        return best


def bind(action_names: Sequence[str]) -> Bindings:
    """Keys for a world's actions: arrows and WASD for directions, space and letters for buttons.

    A code without a name, such as LATENT_3, is pressed with its number. Space goes to JUMP, else to UP (which jumps
    where there is no button for it), else to the first button.
    """
    chords = [_pieces(name) for name in action_names]
    pieces = list(dict.fromkeys(piece for chord in chords for piece in chord))
    keys = {key: way for way in _DIRECTIONS if way in pieces for key in _DIRECTION_KEYS[way]}
    codes = {piece: match[1] for piece in pieces if (match := re.fullmatch(r"(?:LATENT_)?(\d)", piece))}
    keys |= {f"Digit{number}": piece for piece, number in codes.items()}
    pieces = [piece for piece in pieces if piece not in codes]
    buttons = sorted((piece for piece in pieces if piece not in _DIRECTIONS), key=lambda piece: piece != "JUMP")
    free = list(_BUTTON_KEYS)
    if "UP" in pieces and "JUMP" not in pieces:
        keys[free.pop(0)] = "UP"
    keys.update(zip(free, buttons, strict=False))
    idle = next((i for i, name in enumerate(action_names) if name.upper() in _IDLE), None)
    return Bindings(tuple(chords), keys, idle)


def _pieces(name: str) -> tuple[str, ...]:
    """The pieces of a name: those of what a plus joins, whatever it is; of what underscores join, which may be one
    button's name.
    """
    joined = [word for word in name.upper().split("+") if word]
    return tuple(dict.fromkeys(piece for word in joined or [name] for piece in _pieces_of_word(word)))


def _pieces_of_word(name: str) -> tuple[str, ...]:
    if name in _IDLE:
        return ()
    parts = [part for part in name.split("_") if part and part != "ACTION"]
    if all(part in _DIRECTIONS for part in parts[:-1]):  # RIGHT_UP, LEFT_JUMP, UP, FIRE
        return tuple(dict.fromkeys(parts)) or (name,)
    ways = [part for part in parts if part in _DIRECTIONS]  # LIGHT_PUNCH_RIGHT: one button and a direction
    rest = "_".join(part for part in parts if part not in _DIRECTIONS)
    return (*dict.fromkeys(ways), rest)
