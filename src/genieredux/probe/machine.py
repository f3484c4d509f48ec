"""What the probe asks of a machine that plays a game: buttons, pictures, and saved states to branch from.

It knows no emulator; `console.py` makes one of stable-retro.
"""

from collections.abc import Collection, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

MENU_BUTTONS = frozenset({"START", "SELECT", "MODE", "RESET"})
"""Buttons that pause or restart a game: never pressed."""


class Machine(Protocol):
    """One running game. From a restored state the same buttons always give the same pictures."""

    name: str
    """The game, as `Hero-Atari2600`."""
    console: str
    buttons: tuple[str, ...]
    """What can be pressed: the four directions and the console's buttons, without those of the menu."""

    def reset(self) -> None:
        """Begin at the game's default state."""

    def frame(self, held: Collection[str]) -> bool:
        """One frame (1/60 s) with these buttons held; True when the game has ended."""

    def picture(self) -> Picture:
        """What is to be seen after the last frame: uint8 (H, W, 3)."""

    def save(self) -> bytes:
        """The whole state of the machine."""

    def restore(self, state: bytes) -> None:
        """Go back to a saved state; there is no new picture before the next frame."""

    def variables(self) -> Mapping[str, float]:
        """The ground truth that the game declares (score, lives, positions) after the last frame."""

    def close(self) -> None:
        """Free the machine; harmless twice."""
