"""Films on a disk that is full."""

import errno
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genieredux.pictures.video import VideoWriter, write_video


class Full(io.BufferedRandom):
    """A file that takes some writes; then there is no space left."""

    def __init__(self, path: Path, writes: int) -> None:
        super().__init__(io.FileIO(path, "w+"))
        self.left = writes

    def write(self, content: Any) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def test_a_disk_that_is_full_is_told_as_such_wherever_the_film_stands(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    for writes in itertools.count():
        try:
            with Full(tmp_path / "film.mp4", writes) as file:
                write_video(file, frames, 10, lossless=True)
        except OSError as error:
            assert type(error) is OSError  # noqa: PT017  and no error of closing that hides it
            assert error.errno == errno.ENOSPC  # noqa: PT017
        else:
            break
    assert writes > 3, "the film was written in one piece, or an error was lost"


def test_a_film_that_failed_takes_nothing_more_and_can_be_let_go_of() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    for failing in ("add", "close"):
        writer = VideoWriter(Path("/dev/full"), 10, (64, 64), lossless=True)
        with pytest.raises(OSError, match="No space left"):  # noqa: PT012
            writer.add(frames if failing == "add" else frames[:1])
            writer.close()
        writer.close()
        writer.close()
    writer = VideoWriter(Path("/dev/full"), 10, (64, 64), lossless=True)
    with pytest.raises(OSError, match="No space left"):
        writer.add(np.concatenate([frames] * 3))
    with pytest.raises(OSError, match="nothing can be added"):
        writer.add(frames)
