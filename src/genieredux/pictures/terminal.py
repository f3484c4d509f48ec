"""Pictures in a terminal: two pixels in each character, one above the other, in 24-bit colour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_UPPER_HALF = "\N{UPPER HALF BLOCK}"
_PLAIN = "\033[0m"


def lines(frames: Sequence[NDArray[np.uint8]], side: int = 24, gap: int = 2) -> list[str]:
    """Frames uint8 (S, S, 3), side by side with `gap` columns between them, each `side` columns wide and side // 2
    lines high; a character's two pixels are means of what they cover."""
    small = [_shrunk(frame, side - side % 2) for frame in frames]
    rows = []
    for top in range(0, side - 1, 2):
        pictures = ["".join(map(_character, frame[top], frame[top + 1])) + _PLAIN for frame in small]
        rows.append((" " * gap).join(pictures))
    return rows


def _shrunk(frame: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side, 3)."""
    edges = np.linspace(0, len(frame), side + 1).round().astype(int)
    begins = np.minimum(edges[:-1], len(frame) - 1)
    counts = np.maximum(np.diff(edges), 1)
    sums = np.add.reduceat(np.add.reduceat(frame.astype(np.float64), begins, 0), begins, 1)
    return (sums / (counts[:, None, None] * counts[None, :, None])).round().clip(0, 255).astype(np.uint8)


def _character(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> str:
    front, back = (";".join(str(int(value)) for value in colour) for colour in (above, below))
    return f"\033[38;2;{front}m\033[48;2;{back}m{_UPPER_HALF}"
