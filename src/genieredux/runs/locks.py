"""Keeping processes apart that write into one folder. The system drops the lock of a process that dies.

Knows nothing of what is written.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from genieredux.errors import UserError
from genieredux.runs.files import writing

LOCK = ".lock"


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, waiting for it: one process (and one thread) at a time."""
    descriptor = _open(folder, LOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def sole_writer(folder: Path, fix: str = "wait for it, or choose another folder") -> Iterator[None]:
    """Hold a folder's lock, which is made where it lacks. Raises UserError, ending in `fix`, where another has it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    descriptor = _open(folder, LOCK)
    try:
        if not _take(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            raise UserError(f"another process is writing to {folder}; {fix}")
        yield
    finally:
        os.close(descriptor)


class WritersLock:
    """Says that somebody adds files to a folder. Many hold it together; whoever rearranges the files needs it alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def hold_shared(self) -> bool:
        """Takes the lock beside other writers, waiting for one who has it alone. Returns False where it was held
        already.
        """
        if self._descriptor is not None:
            return False
        self._descriptor = _open(self._folder, ".writers")
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)
        return True

    def hold_alone(self) -> None:
        """Takes the lock for oneself. Raises UserError where somebody is writing."""
        descriptor = _open(self._folder, ".writers")
        if not _take(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            os.close(descriptor)
            raise UserError(f"{self._folder}: episodes are being written here; wait for the writer to finish")
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives it back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _open(folder: Path, name: str) -> int:
    with writing(folder):
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _take(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True
