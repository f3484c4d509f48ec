"""A file of episodes on a disk that is full."""

import errno
import gc
import io
import sys
from typing import Any

import pytest

from genieredux.episodes.block_file import BlockFile


class Disk(io.BytesIO):
    """Is full from some moment on."""

    full = False

    def write(self, content: Any) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def broken_off(disk: Disk, early: bool) -> None:
    """A file whose disk is full before its end, or at its end."""
    with BlockFile(disk):
        disk.full = True
        if early:
            disk.write(b"a row")


@pytest.mark.parametrize("early", [True, False])
def test_a_full_disk_is_told_once(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with pytest.raises(OSError, match="No space left"):
        broken_off(Disk(), early)
    gc.collect()
    assert not printed, "the writer was closed a second time when it was collected"
