"""Pictures as bytes and files: PNG, WebP, and films that play for ever. Files are whole or not there."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from genieredux.pictures.video import write_video
from genieredux.runs.files import write_atomically

LOSSLESS = 101
"""Beyond the qualities of lossy WebP; flat pictures take the fewest bytes so."""
_FINE_CRF = 16  # films for people are few; they may weigh more than exported episodes
_COLOURS = 255
_PALETTE_FRAMES = 8


def write_png(path: Path, image: Image.Image | np.ndarray) -> Path:
    """Save a picture, or its pixels uint8 (H, W, 3)."""
    shown = image if isinstance(image, Image.Image) else Image.fromarray(image)
    return write_atomically(path, lambda file: shown.save(file, "PNG"))


def write_loop(path: Path, film: np.ndarray, fps: float = 6.0, hold_s: float = 0.8) -> Path:
    """Save uint8 (T, H, W, 3) as a film that loops; the suffix says how: .gif or .mp4.

    hold_s: how long the last frame stays.
    """

    def write(file: BinaryIO) -> None:
        if path.suffix == ".gif":
            _gif(file, film, fps, hold_s)
        else:
            _mp4(file, film, max(1, round(fps)), hold_s)

    if path.suffix not in (".gif", ".mp4"):
        raise ValueError(f"a film is a .gif or an .mp4, not {path.name}")
    return write_atomically(path, write)


def write_picture(stem: Path, pixels: np.ndarray, fps: float = 8.0) -> Path:
    """uint8 (H, W, 3) as <stem>.png, (T, H, W, 3) as <stem>.gif that loops without a pause."""
    if pixels.ndim == 3:
        return write_png(stem.with_name(f"{stem.name}.png"), pixels)
    return write_loop(stem.with_name(f"{stem.name}.gif"), pixels, fps, hold_s=0)


def webp(
    frames: Sequence[np.ndarray] | np.ndarray,
    quality: int = LOSSLESS,
    milliseconds: int = 125,
    effort: int = 4,
) -> bytes:
    """One picture uint8 (H, W, 3), or several that follow each other without end.

    milliseconds: how long each of several is shown. effort: 0 (fast) to 6 (small).
    """
    images = [Image.fromarray(frame) for frame in frames]
    moving = {"save_all": True, "append_images": images[1:], "duration": milliseconds, "loop": 0}
    how = {"lossless": True, "quality": 80} if quality == LOSSLESS else {"quality": quality}
    buffer = io.BytesIO()
    images[0].save(buffer, "WEBP", method=effort, **how, **(moving if len(images) > 1 else {}))
    return buffer.getvalue()


def sprite(frames: np.ndarray) -> str:
    """The frames (T, H, W, 3) side by side in one lossless WebP of their own size, as a `data:` address."""
    return data_uri(webp([np.concatenate(list(frames), 1)]), "image/webp")


def data_uri(content: bytes, mime: str) -> str:
    """The bytes as a `data:` address, for a page that stands alone."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _gif(file: BinaryIO, film: np.ndarray, fps: float, hold_s: float) -> None:
    # One palette for the whole film: per-frame palettes flicker.
    step = max(1, len(film) // _PALETTE_FRAMES)
    palette = Image.fromarray(np.concatenate(list(film[::step]), 0)).quantize(_COLOURS, dither=Image.Dither.NONE)
    first, *rest = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in film]
    each = round(1000 / fps)
    milliseconds = [each] * len(rest) + [each + round(1000 * hold_s)]
    first.save(file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, optimize=False)


def _mp4(file: BinaryIO, film: np.ndarray, fps: int, hold_s: float) -> None:
    held = np.concatenate([film, np.repeat(film[-1:], round(hold_s * fps), 0)])
    even = [(0, side % 2) for side in held.shape[1:3]]
    write_video(file, np.pad(held, ((0, 0), *even, (0, 0))), fps, lossless=False, crf=_FINE_CRF)
