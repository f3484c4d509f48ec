"""What one button did from one saved state: a word for the difference between its branch and the control branch.

The words are about what is seen, not yet about the game: aggregation over states is for `verdicts.py`. All lengths
are shares of the picture's longer side, so that they hold for every console.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.probe.branches import DIRECTIONS, HOLD, LOOKS, Branch
from genieredux.probe.compare import BIG, Box, Change, compare

STEP = 0.012
"""Share of the picture's longer side (2.5 pixels on Atari) that counts as a motion."""
_EARLY = 14  # frames after the first difference in which the button's own effect is read: later, enemies answer it
_REACH = 6  # pixels a frame: the fastest that a player is followed
_BLIP = 5  # looks at which a direction that moves nothing may differ and still do nothing
_BACK = 0.35  # of the way out is left when a figure has come back
_NOT_THE_PLAYER = re.compile(r"enem|boss|ball|cam|scroll|screen|vel|speed|prev|old|p2|max|level|map")
_AXIS = {"x": re.compile(r"(^|_|pos|player|hero)x($|_|pos|\d)"), "y": re.compile(r"(^|_|pos|player|hero)y($|_|pos|\d)")}

WORDS = ("none", "right", "left", "up", "down", "jump", "crouch", "shoot", "strike", "turn", "other")
"""What an effect can be. up and down stay, jump and crouch come back; strike: something comes out next to the player
or the player lunges and comes back; turn: changes in place; other: none of these.
"""


@dataclass(frozen=True)
class Effect:
    """One button from one state. dx, dy: how far the player moved within the first frames of the effect, in pixels
    of the picture. delay: frames from the press to the first difference, None where there is none while the button
    is held. moved: the change of each declared variable at the end of the hold, where it changed.
    """

    word: str
    dx: float
    dy: float
    delay: int | None
    moved: Mapping[str, float]


def effect(control: Branch, pressed: Branch) -> Effect:
    """What `pressed` shows that `control` does not; both from the same state."""
    changes = follow(control, pressed)
    moved = _moved(control, pressed)
    seen = [look for look, change in zip(LOOKS, changes, strict=True) if change]
    if not seen or seen[0] > HOLD:
        word, dx, dy = _by_variables(moved) or ("none", 0.0, 0.0)
        return Effect(word, dx, dy, None, moved)
    word, dx, dy = _read(changes, seen[0], max(control.pictures[0].shape))
    if word in ("turn", "other") and (declared := _by_variables(moved)):
        word, dx, dy = declared
    if pressed.held[0] in DIRECTIONS:
        if word in ("turn", "other", "strike") and sum(change is not None for change in changes) <= _BLIP:
            return Effect("none", 0.0, 0.0, None, moved)  # at the edge of its way; a random generator counted the press
    else:
        lunge = word in ("right", "left") and _returns(changes, 0, dx)
        if lunge or (word == "turn" and changes[-1] is None):
            word = "strike"
    return Effect(word, dx, dy, seen[0], moved)


def follow(control: Branch, pressed: Branch) -> list[Change | None]:
    """The difference at each look: the region that differed first, followed from look to look, so that what enemies
    do about it elsewhere does not count.
    """
    changes: list[Change | None] = []
    near: Box | None = None
    before = 0
    for look, one, other in zip(LOOKS, control.pictures, pressed.pictures, strict=True):
        change = compare(one, other, near, _REACH * (look - before))
        if change and change.box:
            near = change.box
        changes.append(change)
        before = look
    return changes


def _read(changes: Sequence[Change | None], begin: int, side: int) -> tuple[str, float, float]:
    """(word, dx, dy) from the pictures. begin: the first look with a difference; side: of the picture, pixels."""
    early = _between(changes, begin, min(begin + _EARLY, HOLD))
    if way := _way(early):
        word = _direction(changes, *way, STEP * side)
        if word == "turn" and (
            later := _way(_between(changes, begin, HOLD))
        ):  # a slow start: it takes off, or turns first
            word, way = _direction(changes, *later, STEP * side), later
        return word, *way
    if end := _stretches(early, STEP * side):
        return ("right" if end[0] > 0 else "left") if end[0] else ("down" if end[1] > 0 else "up"), *end
    new = [change for change in early if change.appeared and change.share < BIG]
    if 2 * len(new) < len(early):
        sinks = [
            change.dy for change in early if change.gained >= 2 and change.dy >= STEP * side and change.share < BIG
        ]
        if 2 * len(sinks) >= len(early) and changes[-1] is None:  # gets smaller from above, and as it was when let go
            return "crouch", 0.0, float(np.median(sinks))
        return "other", 0.0, 0.0
    trip = np.subtract([change.at for change in new], new[0].at)
    dx, dy = (float(value) for value in trip[np.abs(trip).sum(axis=1).argmax()])
    return ("shoot" if abs(dx) + abs(dy) >= 2 * STEP * side else "strike"), dx, dy


def _between(changes: Sequence[Change | None], begin: int, end: int) -> list[Change]:
    return [change for look, change in zip(LOOKS, changes, strict=True) if change and begin <= look <= end]


def _way(changes: Sequence[Change]) -> tuple[float, float] | None:
    """(x, y) moved, the median over the later half of these looks; None where few of them show a motion."""
    ways = [way for change in changes if (way := motion(change))]
    if not ways or 2 * len(ways) < len(changes):
        return None
    dx, dy = np.median(ways[len(ways) // 2 :], axis=0)
    return float(dx), float(dy)


def _stretches(early: Sequence[Change], step: float) -> tuple[float, float] | None:
    """(x, y) by which the end of something moved that gets longer or shorter, as a rope does; None for anything else.

    All of it was gained, or all of it lost, without gaps, and its other end stayed where it was.
    """
    grown = all(change.lost == 0 for change in early)
    if not grown and any(change.gained for change in early):
        return None
    boxes = [change.box for change in early]
    if boxes[0] is None or boxes[-1] is None:
        return None
    left, top, right, bottom = boxes[-1]
    if max(early[-1].gained, early[-1].lost) < 0.5 * (right - left + 1) * (bottom - top + 1):
        return None
    ends = np.subtract(boxes[-1], boxes[0])
    far = int(np.abs(ends).argmax())
    if abs(ends[far]) < step or abs(ends[(far + 2) % 4]) > 1:
        return None
    return (float(ends[far]), 0.0) if far % 2 == 0 else (0.0, float(ends[far]))


def motion(change: Change | None) -> tuple[float, float] | None:
    """(x, y) by which the player moved on the screen, less what the scenery moved; None: neither was seen to move."""
    if change is None:
        return None
    x, y = change.shift
    if change.moved and change.share < BIG:
        return change.dx - x, change.dy - y
    return (-float(x), -float(y)) if (x, y) != (0, 0) else None


def _direction(changes: Sequence[Change | None], dx: float, dy: float, step: float) -> str:
    if max(abs(dx), abs(dy)) < step:
        return "turn"
    if abs(dx) >= abs(dy):
        return "right" if dx > 0 else "left"
    back = _returns(changes, 1, dy)
    if (
        back and (net := _net(changes)) * dy < 0 and abs(net) > 2 * step
    ):  # it leapt up to come down lower, or the reverse
        return "up" if net < 0 else "down"
    return ("crouch" if back else "down") if dy > 0 else ("jump" if back else "up")


def _returns(changes: Sequence[Change | None], axis: int, way: float) -> bool:
    """Whether the motion along an axis (0 x, 1 y), which began with the sign of `way`, is undone later."""
    ways = [(0.0, 0.0) if change is None else motion(change) for change in changes]
    trace = [way_[axis] for way_ in ways if way_]
    signed = np.array(trace) * np.sign(way)
    far = int(signed.argmax())
    return bool((signed[far:] < _BACK * signed[far]).any())


def _net(changes: Sequence[Change | None]) -> float:
    """Where the player is in the end: the median of dy over the looks after the button was let go."""
    last = [way[1] for look, change in zip(LOOKS, changes, strict=True) if look > HOLD and (way := motion(change))]
    return float(np.median(last)) if last else 0.0


def _moved(control: Branch, pressed: Branch) -> dict[str, float]:
    at = LOOKS.index(HOLD)
    before, after = control.variables[at], pressed.variables[at]
    return {name: after[name] - before[name] for name in after if name in before and after[name] != before[name]}


def _by_variables(moved: Mapping[str, float]) -> tuple[str, float, float] | None:
    """(word, dx, dy) by the declared position of the player, where there is one and it changed."""
    way = {"x": 0.0, "y": 0.0}
    for name, change in moved.items():
        for axis, pattern in _AXIS.items():
            if pattern.search(name.lower()) and not _NOT_THE_PLAYER.search(name.lower()) and abs(change) < 128:
                way[axis] = change  # further: a counter went round
    if not any(way.values()):
        return None
    if abs(way["x"]) >= abs(way["y"]):
        return ("right" if way["x"] > 0 else "left"), way["x"], way["y"]
    return ("down" if way["y"] > 0 else "up"), way["x"], way["y"]
