"""Pixels to files: strips of frames as PNG, films as GIF. Knows no model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from genieredux.runs.files import write_atomically

GAP = 2
"""White pixels between two frames."""
FILM_MS = 120
"""Milliseconds of a film's frame."""


def to_bytes(frames: Tensor) -> np.ndarray:
    """Frames float (..., 3, H, W) in [0, 1] to uint8 (..., H, W, 3)."""
    return frames.detach().float().clamp(0, 1).mul(255).round().byte().movedim(-3, -1).cpu().numpy()


def strip(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of frames uint8 (T, H, W, 3), under each other with gaps: uint8 (H', W', 3); shorter rows end white."""
    height, width = rows[0].shape[1:3]
    most = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + GAP) - GAP, most * (width + GAP) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = frame
    return sheet


def film(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Clips uint8 (T, H, W, 3) of one length side by side: uint8 (T, H, W', 3)."""
    return np.stack([strip([np.stack(frames)]) for frames in zip(*columns, strict=True)])


def write_picture(path: Path, pixels: np.ndarray) -> Path:
    """uint8 (H, W, 3) to path.png, (T, H, W, 3) to path.gif (or where `path` has a suffix, there)."""
    if pixels.ndim == 3:
        return write_atomically(path.with_suffix(".png"), lambda file: Image.fromarray(pixels).save(file, "PNG"))
    first, *rest = [Image.fromarray(frame) for frame in pixels]

    def write(file: object) -> None:
        first.save(file, "GIF", save_all=True, append_images=rest, duration=FILM_MS, loop=0)  # type: ignore[arg-type]

    return write_atomically(path.with_suffix(".gif"), write)
