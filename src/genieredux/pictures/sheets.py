"""Frames beside and below each other: bare grids, strips with labels, panels that move together.

Whatever is enlarged is enlarged by whole factors with nearest neighbours: pixels stay pixels.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Rows = Mapping[str, np.ndarray]
"""Label -> frames uint8 (T, H, W, 3)."""

PAPER, INK, FAINT = (18, 20, 26), (236, 238, 243), (150, 156, 170)
"""Colours of pictures with text: ground, words, lesser words."""
TEXT = 12
"""Pixels of a line of text."""
_GAP = 4
_WHITE = (255, 255, 255)


def grid(rows: Sequence[np.ndarray], gap: int = 2, ground: tuple[int, int, int] = _WHITE) -> np.ndarray:
    """Rows of frames uint8 (T, H, W, 3) under each other as one picture uint8 (H', W', 3).

    Frames stand `gap` pixels apart on the colour `ground`, which also fills rows that are shorter than the longest.
    """
    height, width = rows[0].shape[1:3]
    longest = max(len(row) for row in rows)
    sheet = np.full((len(rows) * (height + gap) - gap, longest * (width + gap) - gap, 3), ground, np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            sheet[top : top + height, left : left + width] = frame
    return sheet


def side_by_side(clips: Sequence[np.ndarray]) -> np.ndarray:
    """Clips uint8 (T, H, W, 3) of one length as one film: uint8 (T, H, W', 3)."""
    return np.stack([grid([np.stack(frames)]) for frames in zip(*clips, strict=True)])


def filmstrip(rows: Rows, columns: Sequence[str] = (), scale: int = 3) -> Image.Image:
    """Frames side by side, one row per label; `columns` are written above them. Raises ValueError for rows of two
    sizes.
    """
    height, width = (side * scale for side in _one_size(rows))
    frames = grid([upscale(row, scale) for row in rows.values()], _GAP, PAPER)
    left = max(round(font().getlength(label)) for label in rows) + 2 * _GAP
    top = (TEXT + 2 * _GAP) if columns else _GAP
    sheet = Image.new("RGB", (left + frames.shape[1] + _GAP, top + frames.shape[0] + _GAP), PAPER)
    sheet.paste(Image.fromarray(frames), (left, top))
    draw = ImageDraw.Draw(sheet)
    for t, label in enumerate(columns):
        draw.text((left + t * (width + _GAP) + width // 2, top / 2), label, FAINT, font(), anchor="mm")
    for row, label in enumerate(rows):
        draw.text((_GAP, top + row * (height + _GAP) + height // 2), label, INK, font(), anchor="lm")
    return sheet


def panels(rows: Rows, scale: int = 3) -> np.ndarray:
    """The rows as one moving picture: panels side by side with their labels above; uint8 (T, H', W', 3).

    A shorter row stays on its last frame. H' and W' are even, as video codecs want. Raises ValueError for rows of two
    sizes.
    """
    height, width = (side * scale for side in _one_size(rows))
    length = max(len(frames) for frames in rows.values())
    top, cell = TEXT + 2 * _GAP, width + _GAP
    sheet = Image.new("RGB", (_even(len(rows) * cell + _GAP), _even(top + height + _GAP)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(rows):
        draw.text((_GAP + column * cell + width // 2, top / 2), label, INK, font(), anchor="mm")
    film = np.repeat(np.asarray(sheet)[None], length, 0)
    for column, frames in enumerate(rows.values()):
        whole = frames[np.minimum(np.arange(length), len(frames) - 1)]
        left = _GAP + column * cell
        film[:, top : top + height, left : left + width] = upscale(whole, scale)
    return film


def column_labels(prompt_frames: int, length: int) -> list[str]:
    """What stands above the frames of a clip: `given`, ..., then +1, +2, ..."""
    return ["given" if t < prompt_frames else f"+{t - prompt_frames + 1}" for t in range(length)]


def upscale(frames: np.ndarray, factor: int) -> np.ndarray:
    """(..., H, W, 3) -> (..., factor H, factor W, 3), every pixel repeated."""
    return frames.repeat(factor, -3).repeat(factor, -2)


def reduced(frames: np.ndarray, side: int) -> np.ndarray:
    """Frames uint8 (T, H, W, 3) averaged down until neither side is longer than `side`; small ones as they are."""
    height, width = frames.shape[1:3]
    if max(height, width) <= side:
        return frames
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX)) for frame in frames])


def font(size: int = TEXT) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface of all pictures."""
    return ImageFont.load_default(size)


def _one_size(rows: Rows) -> tuple[int, int]:
    """Height and width that all rows share; ValueError where they do not."""
    sizes = {frames.shape[1:] for frames in rows.values()}
    if len(sizes) != 1 or any(frames.dtype != np.uint8 or not len(frames) for frames in rows.values()):
        raise ValueError(f"rows must be uint8 (T, H, W, 3) of one size, T >= 1; got {sizes}")
    height, width, _ = sizes.pop()
    return height, width


def _even(number: int) -> int:
    return number + number % 2
