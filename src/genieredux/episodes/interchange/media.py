"""Frames out of and into video files, exactly or nearly. Knows no episode.

Decoding goes through PyAV and gives RGB; encoding is H.264 in MP4, each a plain function of frames.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import numpy as np
from av.error import FFmpegError
from PIL import Image, UnidentifiedImageError

CRF = 18
"""Quality of lossy films: visually near the original (x264's scale, 0 is exact)."""


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


class VideoWriter:
    """Writes an MP4 file frame by frame; as a context manager it completes the file at the end.

    size: (height, width). lossless: RGB kept to the bit (libx264rgb, which browsers do not play); else yuv420p at
    CRF, which needs an even height and width. keyframes: frames from one key frame to the next. Its attributes
    `frames` and `bytes` count what was added, and what the encoder gave so far.
    """

    def __init__(self, path: Path, fps: int, size: tuple[int, int], lossless: bool, keyframes: int = 12) -> None:
        self.codec, self.pixels = ("libx264rgb", "rgb24") if lossless else ("libx264", "yuv420p")
        self.frames = self.bytes = 0
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream = cast(av.VideoStream, self._container.add_stream(self.codec, rate=fps))
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = self.pixels
        self._stream.thread_count = 1  # small frames: threads cost more than they give
        self._stream.options = {
            "crf": "0" if lossless else str(CRF),
            "preset": "medium",
            "g": str(keyframes),
            "bf": "0",
        }

    def add(self, frames: np.ndarray) -> None:
        """Appends frames uint8 (T, H, W, 3)."""
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = self.frames
            self._mux(self._stream.encode(picture))
            self.frames += 1

    def close(self) -> None:
        """Writes what is still in the encoder and completes the file."""
        try:
            self._mux(self._stream.encode())
        finally:
            self._container.close()

    def _mux(self, packets: list[av.Packet]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._container.close()


def write_video(path: Path, frames: np.ndarray, fps: int, lossless: bool) -> None:
    """One film of frames uint8 (T, H, W, 3); see `VideoWriter`."""
    with VideoWriter(path, fps, (frames.shape[1], frames.shape[2]), lossless) as writer:
        writer.add(frames)


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
