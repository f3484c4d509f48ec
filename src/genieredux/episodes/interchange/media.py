"""Frames out of pictures and video files, as RGB. Knows no episode. (Into files: genieredux/pictures.)"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image, UnidentifiedImageError

_STILL = ("image2", "ico", "tty")  # what FFmpeg calls single pictures, and any text


class MediaError(ValueError):
    """A picture or film cannot be read; the message says why, not which."""


def read_image(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 3). Raises MediaError where it is missing, truncated or no picture."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise MediaError(f"{path.name} is missing") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise MediaError(f"{path.name} is damaged ({_reason(error)})") from error


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a film that is only turned into pixels when asked. time: seconds since the first frame."""

    time: float
    _decoded: av.VideoFrame

    def pixels(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return self._decoded.to_ndarray(format="rgb24")


def read_video(path: Path) -> Iterator[np.ndarray]:
    """The frames of a film's first video stream, uint8 (H, W, 3) each, in order of display.

    Raises MediaError where it cannot be opened or has no video; after the last good frame where it breaks off.
    """
    for frame in read_timed_video(path):
        yield frame.pixels()


def read_timed_video(path: Path) -> Iterator[TimedFrame]:
    """As `read_video`, with times; a frame that says none counts as a thirtieth of a second after the last."""
    first = last = 0.0
    for number, decoded in enumerate(_decode(path)):
        time = decoded.time if decoded.time is not None else last + 1 / 30
        first = time if number == 0 else first
        last = time
        yield TimedFrame(time - first, decoded)


def count_frames(path: Path) -> int:
    """How many frames `read_video` gives, by decoding them all. Raises MediaError as it does."""
    return sum(1 for _ in _decode(path))


def estimate_frames(path: Path) -> int:
    """About how many frames a film has, from its header, at least 1.

    Raises MediaError where the file is damaged, or is no film: a still picture, a text, sound alone.
    """
    try:
        with av.open(str(path)) as container:
            kind = container.format.name
            if not container.streams.video or kind in _STILL or kind.endswith("_pipe"):
                raise MediaError("holds no film")
            stream = container.streams.video[0]
            seconds = (container.duration or 0) / av.time_base
            return max(stream.frames, round(seconds * float(stream.average_rate or 0)), 1)
    except (FFmpegError, OSError) as error:
        raise MediaError(f"cannot be opened ({_reason(error)})") from error


def _decode(path: Path) -> Iterator[av.VideoFrame]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError("has no video stream")
            yield from container.decode(container.streams.video[0])
    except FileNotFoundError as error:
        raise MediaError(f"{path.name} is missing") from error
    except (FFmpegError, OSError) as error:
        raise MediaError(f"{path.name} cannot be decoded ({_reason(error)})") from error


def _reason(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or error).splitlines()[0].rstrip(".") if str(strerror or error) else type(error).__name__
