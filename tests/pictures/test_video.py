"""Films on a disk that is full."""

import errno
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.pictures.video import write_video


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
