"""Frames into MP4 files (H.264 by PyAV), exactly or nearly."""

import contextlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import av
import numpy as np

CRF = 18
"""Quality of lossy films: visually near the original (x264's scale, 0 is exact)."""


class VideoWriter:
    """Writes an MP4 file frame by frame; as a context manager it completes the file at the end.

    size: (height, width). lossless: RGB kept to the bit (libx264rgb, which browsers do not play); else yuv420p at
    `crf`, which needs an even height and width. keyframes: frames from one key frame to the next. Its attributes
    `frames` and `bytes` count what was added, and what the encoder gave so far.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        fps: int,
        size: tuple[int, int],
        lossless: bool,
        keyframes: int = 12,
        crf: int = CRF,
    ) -> None:
        self.codec, self.pixels = ("libx264rgb", "rgb24") if lossless else ("libx264", "yuv420p")
        self.frames = self.bytes = 0
        self._broken = False
        file = str(target) if isinstance(target, Path) else target
        self._container = av.open(file, "w", format="mp4", options={"movflags": "faststart"})
        self._stream = cast(av.VideoStream, self._container.add_stream(self.codec, rate=fps))
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = self.pixels
        self._stream.thread_count = 1  # small frames: threads cost more than they give
        self._stream.options = {
            "crf": "0" if lossless else str(crf),
            "preset": "medium",
            "g": str(keyframes),
            "bf": "0",
        }

    def add(self, frames: np.ndarray) -> None:
        """Appends frames uint8 (T, H, W, 3)."""
        if self._broken:
            raise OSError("nothing can be added to a film that could not be written")
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = self.frames
            self._mux(self._stream.encode(picture))
            self.frames += 1

    def close(self) -> None:
        """Writes what is still in the encoder and completes the file; after an error it only lets go of it."""
        if self._broken:
            return self._give_up()
        try:
            self._mux(self._stream.encode())
        except BaseException:
            self._give_up()
            raise
        self._container.close()
        return None

    def _mux(self, packets: list[av.Packet]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        try:
            self._container.mux(packets)
        except BaseException:
            self._broken = True  # FFmpeg ends the process where more is written to a file that failed
            raise

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._give_up()

    def _give_up(self) -> None:
        """The file is worthless, and closing it writes again: the first error is the one to be heard."""
        with contextlib.suppress(OSError, av.error.FFmpegError):
            self._container.close()


def write_video(target: Path | BinaryIO, frames: np.ndarray, fps: int, lossless: bool, crf: int = CRF) -> None:
    """One film of frames uint8 (T, H, W, 3); see `VideoWriter`."""
    with VideoWriter(target, fps, (frames.shape[1], frames.shape[2]), lossless, crf=crf) as writer:
        writer.add(frames)
