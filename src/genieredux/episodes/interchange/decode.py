"""Frames out of pictures and films, as a player shows them. Knows no episode.

Films are decoded by FFmpeg (PyAV), moving pictures (GIF, APNG, WebP) by Pillow. What a player honours is honoured:
rotation and mirroring, the shape of a pixel, the colours' matrix and range, edit lists, transparency (over black). Only
the file itself is ever read: its name is no address and no pattern, and nothing that it names is opened.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from av.video.reformatter import Colorspace
from PIL import Image, UnidentifiedImageError

from genieredux.envs.frame import LONGEST_SIDE
from genieredux.runs.walk import printable

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,mpegvideo,h264,hevc,m4v,h263,ivf,obu,av1,asf,ogg,mxf,nut,"
    "dv,rm,wtv,mjpeg,mpjpeg,yuv4mpegpipe,vvc,vc1,dirac,swf,nsv,nuv,amv,smk,bink,roq,film_cpk,mm,flic,thp,mp3,wav,flac,aac"
)
"""The demuxers that may open a file: those that read one file alone. Playlists and the like are not among them."""

_MOVING = (".gif", ".png", ".apng", ".webp")  # pictures that may move
_MOST_PIXELS = 1 << 26  # of one frame, 8192x8192
_WIDEST_PIXEL = 16  # no real film's pixels are further from square
_LAST_SD_HEIGHT = 576  # films that do not name their matrix: BT.601 up to here, BT.709 above, as players guess
_UNSPECIFIED = 2
_DEFAULT_SECONDS = 1 / 30
_GIF_SECONDS = 0.1  # what browsers take where a picture says none


class MediaError(ValueError):
    """A picture or film cannot be read; the message says why, not which."""


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a film that is only turned into pixels when asked. time: seconds since the first frame."""

    time: float
    _decoded: "av.VideoFrame | Image.Image"
    _pixel_aspect: Fraction = Fraction(1)

    def pixels(self) -> np.ndarray:
        """uint8 (H, W, 3), upright and with square pixels."""
        if isinstance(self._decoded, Image.Image):
            return _over_black(np.asarray(self._decoded))
        return _shown(self._decoded, self._pixel_aspect)


def read_image(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 3). Raises MediaError where it is missing, truncated or no picture."""
    with _naming(path), Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def read_video(path: Path) -> Iterator[np.ndarray]:
    """The frames of the stream that a player shows, uint8 (H, W, 3) each, in order of display.

    Raises MediaError where it cannot be opened or has no video; after the last good frame where it breaks off.
    """
    for frame in read_timed_video(path):
        yield frame.pixels()


def read_timed_video(path: Path) -> Iterator[TimedFrame]:
    """As `read_video`, with times; a frame that says none counts as a thirtieth of a second after the last."""
    if path.suffix.lower() in _MOVING:
        yield from _read_moving(path)
        return
    first = last = 0.0
    with _naming(path), _opened(path) as (container, stream):
        for number, decoded in enumerate(container.decode(stream)):
            time = decoded.time if decoded.time is not None else last + _DEFAULT_SECONDS
            first = time if number == 0 else first
            last = time
            yield TimedFrame(time - first, decoded, stream.sample_aspect_ratio or Fraction(1))


def count_frames(path: Path) -> int:
    """How many frames `read_video` gives, by decoding them all. Raises MediaError as it does."""
    return sum(1 for _ in read_timed_video(path))


def estimate_frames(path: Path) -> int:
    """About how many frames a film has, from its header, at least 1.

    Raises MediaError where the file is damaged, or is no film: a still picture, a text, sound alone.
    """
    with _naming(path):
        if path.suffix.lower() in _MOVING:
            with Image.open(path) as image:
                if getattr(image, "n_frames", 1) < 2:
                    raise MediaError("holds no film")
                return int(image.n_frames)  # type: ignore[attr-defined]
        with _opened(path) as (container, stream):
            seconds = (container.duration or 0) / av.time_base
            return max(stream.frames, round(seconds * float(stream.average_rate or 0)), 1)


def _read_moving(path: Path) -> Iterator[TimedFrame]:
    with _naming(path), Image.open(path) as image:
        time = 0.0
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            yield TimedFrame(time, image.convert("RGBA"))
            time += (image.info.get("duration") or 0) / 1000 or _GIF_SECONDS


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, av.VideoStream]]:
    """The container and the stream that a player would show."""
    with (
        open(path, "rb") as file,
        av.open(
            cast(Any, file),
            metadata_errors="replace",
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
            io_open=_refuse,
        ) as container,
    ):
        films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not films:
            raise MediaError("holds no film")
        stream = next((one for one in films if one.disposition & Disposition.default), films[0])
        sides = (stream.codec_context.width, stream.codec_context.height)
        if max(sides) > LONGEST_SIDE:
            raise MediaError(f"its pictures are {sides[0]}x{sides[1]}; their sides must be {LONGEST_SIDE} at the most")
        stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
        yield container, stream


def _refuse(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError(f"it refers to another file, {url}")


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file raises into MediaError."""
    try:
        yield
    except MediaError:
        raise
    except FileNotFoundError as error:
        raise MediaError(f"{printable(path.name)} is missing") from error
    except (
        *(FFmpegError, UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError),
        *(EOFError, RuntimeError, MemoryError, struct.error),
    ) as error:
        raise MediaError(f"{printable(path.name)} is damaged or no film ({_reason(error)})") from error


def _shown(frame: av.VideoFrame, pixel_aspect: Fraction) -> np.ndarray:
    height, width = frame.height, frame.width
    if pixel_aspect > 0 and Fraction(1, _WIDEST_PIXEL) <= pixel_aspect <= _WIDEST_PIXEL:
        # the longer way, so that no detail is lost
        width = round(width * pixel_aspect) if pixel_aspect > 1 else width
        height = round(height / pixel_aspect) if pixel_aspect < 1 else height
    matrix = Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED and frame.height > _LAST_SD_HEIGHT else None
    clear = any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"
    layout = "rgba" if clear else "rgb24"
    if (width, height) == (frame.width, frame.height):
        pixels = frame.to_ndarray(format=layout, src_colorspace=matrix)
    else:
        pixels = frame.to_ndarray(format=layout, width=width, height=height, src_colorspace=matrix)
    return _turned(_over_black(pixels), frame)


def _over_black(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) of (H, W, 3 or 4), where the fourth is how much is seen."""
    if pixels.shape[-1] == 3:
        return pixels
    seen = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * seen + 127) // 255).astype(np.uint8)


def _turned(pixels: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """The picture after the film's display matrix: right angles and mirrors; other angles are not turned.

    A place (x, y) goes to (a x + c y, b x + d y), x to the right and y down (ISO/IEC 14496-12, track header).
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return pixels
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(cast(Any, data))[:36])
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error)
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
