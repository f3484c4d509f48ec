"""Small games whose rules are known, as machines for the probe: what it says of them can be checked exactly.

`walker` walks, jumps and crouches; `climber` walks, jumps and climbs ladders; `ship` goes sideways and shoots;
`paddle` goes up and down; `flyer` flies everywhere under a camera that follows it; `still` answers to nothing. In all
of them an enemy crosses the picture by itself and a light blinks, so that things move that no button moves.
"""

import pickle
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from genieredux.probe.machine import Picture

KINDS = ("walker", "climber", "ship", "paddle", "flyer", "still")

_WIDTH, _HEIGHT, _FLOOR = 160, 120, 96  # of the picture, and the row on which feet stand
_WORLD = 480  # width and height of what the flyer's camera shows a part of
_LADDERS = (40, 80, 120)  # columns
_SPEED, _LIFT, _GRAVITY, _SHOT = 2, 5.0, 0.4, 5


@dataclass
class _State:
    x: float = 60.0
    y: float = float(_FLOOR)
    rise: float = 0.0
    tick: int = 0
    low: bool = False
    shots: list[tuple[float, float]] = field(default_factory=list)


class FakeMachine:
    """See `Machine` and the list of games above. A jumps (in `walker` and `climber`), B shoots (in `ship`)."""

    console = "Nes"

    def __init__(self, kind: str) -> None:
        self.name = f"{kind.capitalize()}-Nes"
        self.buttons = ("B", "UP", "DOWN", "LEFT", "RIGHT", "A")
        self._kind = kind
        self.reset()

    def reset(self) -> None:
        """See `Machine`."""
        self._now = _State()
        if self._kind == "flyer":
            self._now.x = self._now.y = _WORLD / 2
        if self._kind == "paddle":
            self._now.x, self._now.y = 12.0, 60.0

    def frame(self, held: Collection[str]) -> bool:
        """See `Machine`. These games do not end."""
        now = self._now
        now.tick += 1
        right, down = (("RIGHT" in held) - ("LEFT" in held)), (("DOWN" in held) - ("UP" in held))
        if self._kind in ("walker", "climber", "ship", "flyer"):
            wide = _WORLD if self._kind == "flyer" else _WIDTH
            now.x = min(max(now.x + _SPEED * right, 8), wide - 8)
        if self._kind == "paddle":
            now.y = min(max(now.y + _SPEED * down, 20), _HEIGHT - 20)
        if self._kind == "flyer":
            now.y = min(max(now.y + _SPEED * down, 8), _WORLD - 8)
        if self._kind in ("walker", "climber"):
            ladder = self._kind == "climber" and any(abs(now.x - at) < 12 for at in _LADDERS)
            if ladder and (down or (now.y < _FLOOR and now.rise == 0.0)):
                now.y, now.rise = min(max(now.y + down, 30.0), float(_FLOOR)), 0.0
            else:
                self._fall("A" in held)
            now.low = self._kind == "walker" and "DOWN" in held and now.y == _FLOOR
        if self._kind == "ship" and "B" in held and now.tick % 8 == 0:
            now.shots.append((now.x, now.y - 14))
        now.shots = [(x, y - _SHOT) for x, y in now.shots if y > _SHOT]
        return False

    def _fall(self, leaps: bool) -> None:
        now = self._now
        if leaps and now.y == _FLOOR:
            now.rise = _LIFT
        now.y = min(now.y - now.rise, float(_FLOOR))
        now.rise = 0.0 if now.y == _FLOOR else now.rise - _GRAVITY

    def picture(self) -> Picture:
        """See `Machine`: uint8 (120, 160, 3)."""
        now = self._now
        picture = np.full((_HEIGHT, _WIDTH, 3), (40, 60, 120), np.uint8)
        picture[_FLOOR:] = (90, 60, 30)
        x, y = int(now.x), int(now.y)
        if self._kind == "flyer":
            picture = _tiles()[y - 8 : y - 8 + _HEIGHT, x - 8 : x - 8 + _WIDTH].copy()
            x, y = _WIDTH // 2, _HEIGHT // 2
        if self._kind == "climber":
            for ladder in _LADDERS:
                picture[24:_FLOOR:4, ladder - 6 : ladder + 6] = (200, 180, 60)
        tall = 9 if now.low else 16
        picture[max(y - tall, 0) : y, x - 5 : x + 5] = (230, 70, 70)
        picture[max(y - tall, 0) : y - tall + 3, x - 3 : x + 3] = (250, 220, 180)
        for at, height in now.shots:
            picture[int(height) : int(height) + 4, int(at) : int(at) + 2] = (255, 255, 255)
        enemy = now.tick % (_WIDTH - 10)
        picture[100:110, enemy : enemy + 10] = (60, 200, 90)
        picture[2:6, 2:6] = (255, 255, 0) if now.tick // 4 % 2 else (0, 0, 0)
        return picture

    def save(self) -> bytes:
        """See `Machine`."""
        return pickle.dumps(self._now)

    def restore(self, state: bytes) -> None:
        """See `Machine`."""
        self._now = pickle.loads(state)

    def variables(self) -> Mapping[str, float]:
        """See `Machine`: nothing but the clock."""
        return {"time": float(self._now.tick)}

    def close(self) -> None:
        """See `Machine`."""


def _tiles() -> Picture:
    """Scenery of `_WORLD` pixels and a picture more each way: the same at every call."""
    rng = np.random.default_rng(0)
    side = (_WORLD + _WIDTH) // 8
    return (
        rng.choice(np.array([(30, 90, 40), (40, 110, 50), (90, 120, 60)], np.uint8), (side, side))
        .repeat(8, 0)
        .repeat(8, 1)
    )
