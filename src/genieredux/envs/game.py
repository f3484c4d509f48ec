"""What a game is to everything above: one protocol, whatever library plays it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Numbers = dict[str, float]


@dataclass(frozen=True)
class Start:
    """Which level (`instance`, 0 for games with one start) and which `seed` an episode plays."""

    instance: int
    seed: int


@dataclass(frozen=True)
class GameFacts:
    """What is known of a game before it is played."""

    game: str
    console: str
    action_names: tuple[str, ...]
    tags: tuple[str, ...] = ()
    """What is to be stored of it: its view, motion and genre, where they are known."""


class Game(Protocol):
    """A single game, one episode at a time. Frames are uint8 (S, S, 3) and the game's own until its next call. Nobody
    caps its episodes.
    """

    name: str
    console: str
    action_names: tuple[str, ...]
    native: Frame
    """The game's own picture, uint8 (H, W, 3), of the frame that was given last; its own until the next call too."""

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Begin an episode: its first frame and info."""

    def step(self, action: int) -> tuple[Frame | None, float, bool, bool, Mapping[str, Any]]:
        """Take one action: frame (None where the episode ended and its last frame is not shown), reward, terminated,
        truncated, info.
        """

    def close(self) -> None:
        """Free what the game holds; harmless twice."""


def numbers(info: Mapping[str, Any]) -> Numbers:
    """The plain numbers in an info mapping, whole ones beyond 64 bits as fractions; everything else is left out."""
    plain = {}
    for key, value in info.items():
        if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = _rounded(value)
        if isinstance(value, bool | int | float):
            plain[str(key)] = value
    return plain


def _rounded(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
