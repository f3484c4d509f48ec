"""Pictures of clips: filmstrips and loops, truth beside dream. It knows frames and labels, no world and no
metric.

Frames are uint8 (T, H, W, 3). Everything is enlarged by whole factors with nearest neighbours: pixels stay
pixels.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genieredux.errors import UserError
from genieredux.runs.files import write_atomically

Rows = Mapping[str, np.ndarray]  # label -> frames (T, H, W, 3)

_PAPER, _INK, _FAINT = (18, 20, 26), (236, 238, 243), (150, 156, 170)
_GAP, _TEXT = 4, 12


def upscale(frames: np.ndarray, factor: int) -> np.ndarray:
    """(..., H, W, 3) -> (..., factor H, factor W, 3), every pixel repeated."""
    return frames.repeat(factor, -3).repeat(factor, -2)


def heat(values: np.ndarray, size: int, top: float) -> np.ndarray:
    """A map (..., h, w) as colours uint8 (..., size, size, 3): black at 0, through violet and orange, to pale
    yellow at `top` and above. size is a multiple of h and w, or the map is stretched to the nearest pixel."""
    stops = np.array([[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]])
    place = np.clip(values / max(top, 1e-9), 0, 1) * (len(stops) - 1)
    low = np.minimum(place.astype(int), len(stops) - 2)
    share = (place - low)[..., None]
    colours = (stops[low] * (1 - share) + stops[low + 1] * share).round().astype(np.uint8)
    rows = np.arange(size) * values.shape[-2] // size
    columns = np.arange(size) * values.shape[-1] // size
    return colours[..., rows[:, None], columns[None, :], :]


def difference(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|frames - truth|, doubled so that small errors show, as uint8 of the same shape."""
    return np.minimum(2 * np.abs(frames.astype(np.int16) - truth.astype(np.int16)), 255).astype(np.uint8)


def column_labels(prompt_frames: int, length: int) -> list[str]:
    """What stands above the frames of a clip: `given`, ..., then +1, +2, ..."""
    return ["given" if t < prompt_frames else f"+{t - prompt_frames + 1}" for t in range(length)]


def filmstrip(rows: Rows, columns: Sequence[str] = (), scale: int = 3) -> Image.Image:
    """Frames side by side, one row per label; `columns` are written above them."""
    height, width = _check(rows)
    length = max(len(frames) for frames in rows.values())
    cell_w, cell_h = width * scale + _GAP, height * scale + _GAP
    left = _label_width(rows) + 2 * _GAP
    top = (_TEXT + 2 * _GAP) if columns else _GAP
    sheet = Image.new("RGB", (left + length * cell_w, top + len(rows) * cell_h), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for t, label in enumerate(columns[:length]):
        draw.text((left + t * cell_w + width * scale // 2, top / 2), label, _FAINT, _font(), anchor="mm")
    for row, (label, frames) in enumerate(rows.items()):
        y = top + row * cell_h
        draw.text((_GAP, y + height * scale // 2), label, _INK, _font(), anchor="lm")
        for t, frame in enumerate(upscale(frames, scale)):
            sheet.paste(Image.fromarray(frame), (left + t * cell_w, y))
    return sheet


def panels(rows: Rows, scale: int = 3) -> np.ndarray:
    """The rows as one moving picture: panels side by side with their labels above; uint8 (T, H', W', 3).

    A shorter row stays on its last frame. H' and W' are even, as video codecs want.
    """
    height, width = _check(rows)
    length = max(len(frames) for frames in rows.values())
    cell = width * scale + _GAP
    top = _TEXT + 2 * _GAP
    sheet = Image.new("RGB", (_even(len(rows) * cell + _GAP), _even(top + height * scale + _GAP)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, label in enumerate(rows):
        draw.text((_GAP + column * cell + width * scale // 2, top / 2), label, _INK, _font(), anchor="mm")
    film = np.repeat(np.asarray(sheet)[None], length, 0)
    for column, frames in enumerate(rows.values()):
        whole = frames[np.minimum(np.arange(length), len(frames) - 1)]
        x = _GAP + column * cell
        film[:, top : top + height * scale, x : x + width * scale] = upscale(whole, scale)
    return film


def write_png(path: Path, image: Image.Image) -> Path:
    """Save a picture, whole or not at all."""
    return write_atomically(path, lambda file: image.save(file, "PNG"))


def write_loop(path: Path, film: np.ndarray, fps: float = 6.0, hold_s: float = 0.8) -> Path:
    """Save uint8 (T, H, W, 3) as a film that loops; the suffix says how: .gif, .webp (lossless) or .mp4.

    hold_s: how long the last frame stays. Raises UserError for another suffix.
    """
    writers = {".gif": _gif, ".webp": _webp, ".mp4": _mp4}
    if path.suffix not in writers:
        raise UserError(f"cannot write a film as {path.name}: the name must end in {', '.join(writers)}.")
    return write_atomically(path, lambda file: writers[path.suffix](file, film, fps, hold_s))


def data_uri(content: bytes, mime: str) -> str:
    """The bytes as a `data:` address, for a page that stands alone."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def sprite(frames: np.ndarray) -> str:
    """The frames (T, H, W, 3) side by side in one lossless WebP of their own size, as a `data:` address."""
    strip = np.concatenate(list(frames), 1)
    buffer = io.BytesIO()
    Image.fromarray(strip).save(buffer, "WEBP", lossless=True, quality=80, method=4)
    return data_uri(buffer.getvalue(), "image/webp")


def _gif(file: BinaryIO, film: np.ndarray, fps: float, hold_s: float) -> None:
    # One palette for the whole film: per-frame palettes flicker.
    step = max(1, len(film) // 8)
    palette = Image.fromarray(np.concatenate(list(film[::step]), 0)).quantize(255, dither=Image.Dither.NONE)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in film]
    times = _milliseconds(len(film), fps, hold_s)
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=False)


def _webp(file: BinaryIO, film: np.ndarray, fps: float, hold_s: float) -> None:
    images = [Image.fromarray(frame) for frame in film]
    times = _milliseconds(len(film), fps, hold_s)
    images[0].save(
        file, "WEBP", save_all=True, append_images=images[1:], duration=times, loop=0, lossless=True, method=4
    )


def _mp4(file: BinaryIO, film: np.ndarray, fps: float, hold_s: float) -> None:
    rate = max(1, round(fps))
    held = np.concatenate([film, np.repeat(film[-1:], round(hold_s * rate), 0)])
    height, width = _even(film.shape[1]), _even(film.shape[2])
    padded = np.pad(held, ((0, 0), (0, height - film.shape[1]), (0, width - film.shape[2]), (0, 0)))
    with av.open(file, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "16", "preset": "slow"}
        for frame in padded:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())


def _milliseconds(frames: int, fps: float, hold_s: float) -> list[int]:
    each = round(1000 / fps)
    return [each] * (frames - 1) + [each + round(1000 * hold_s)]


def _check(rows: Rows) -> tuple[int, int]:
    """Height and width that all rows share; ValueError where they do not."""
    sizes = {frames.shape[1:] for frames in rows.values()}
    if len(sizes) != 1 or any(frames.dtype != np.uint8 or not len(frames) for frames in rows.values()):
        raise ValueError(f"rows must be uint8 (T, H, W, 3) of one size, T >= 1; got {sizes}")
    height, width, _ = sizes.pop()
    return height, width


def _label_width(rows: Rows) -> int:
    return max(round(_font().getlength(label)) for label in rows)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _even(number: int) -> int:
    return number + number % 2
