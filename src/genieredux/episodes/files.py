"""How a file appears in a data set: whole or not at all, and never over somebody else's.

Every write goes aside into a `.tmp` beside its place, is flushed to the disk, and then takes its name in one
step. The name of a `.tmp` says which process on which machine owns it, so that the leftovers of a dead one
can be told from the work of a living one. Knows no Parquet.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from genieredux.errors import UserError

TMP_SUFFIX = ".tmp"
_FOREIGN_TMP_SECONDS = 24 * 3600.0
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_TMP_PATTERN = re.compile(r"\.(?P<host>[0-9a-f]+)-(?P<pid>\d+)-[0-9a-f]+\.tmp$")


def write_new(path: Path, write: Callable[[Path], None]) -> bool:
    """Runs `write(aside)` and gives the result the name `path` unless that exists already.

    Returns False, leaving what was there, where somebody else was first. Raises UserError where the disk is
    full; nothing is left then.
    """
    return _write(path, write, replace=False)


def write_over(path: Path, write: Callable[[Path], None]) -> None:
    """As `write_new`, but replaces `path` in one step if it exists."""
    _write(path, write, replace=True)


def write_text_over(path: Path, text: str) -> None:
    """Replaces a small text file in one step."""
    write_over(path, lambda aside: _write_text(aside, text))


def write_text_new(path: Path, text: str) -> bool:
    """Creates a small text file unless it exists; returns whether it was created."""
    return write_new(path, lambda aside: _write_text(aside, text))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file's whole content, without the care of the functions above: for their `write`."""
    path.write_bytes(content)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut, as far as its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean_leftovers(folder: Path) -> list[Path]:
    """Removes the `.tmp` files in `folder` whose process is gone (or, from another machine, a day old).
    Returns those removed.
    """
    removed = []
    for path in sorted(folder.glob("*" + TMP_SUFFIX)) if folder.is_dir() else []:
        if _is_abandoned(path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                removed.append(path)
    return removed


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Holds the data set's lock: one process (and one thread) at a time rewrites its index or its shards."""
    descriptor = _open_lock(root, ".lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class WritersLock:
    """Says that somebody writes episodes here. Many writers hold it together; compaction needs it alone. The
    system drops a dead holder's.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._descriptor: int | None = None

    def hold_shared(self) -> bool:
        """Takes the lock beside other writers, waiting for a compaction to end. Returns False where it was
        held already.
        """
        if self._descriptor is not None:
            return False
        descriptor = _open_lock(self._root, ".writers")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._descriptor = descriptor
        return True

    def hold_alone(self) -> None:
        """Takes the lock for oneself. Raises UserError where somebody is writing."""
        descriptor = _open_lock(self._root, ".writers")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise UserError(f"{self._root}: episodes are being written here; wait for the writer to finish") from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives it back; does nothing where it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turns the errors of a disk that a user can mend into UserError: full, read-only, not allowed, not a
    folder.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise UserError(
                f"{path}: the disk is full; finished files are kept, free some space and run the same command again"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOENT):
            raise UserError(
                f"{path}: cannot be written ({os.strerror(error.errno)}); choose a folder you may write to"
            ) from error
        raise


def damaged_file(path: str, error: Exception) -> UserError:
    """The error of an episode file that cannot be read."""
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return UserError(f"{path}: truncated or damaged ({reason}); delete it, rebuild the index and collect again")


def is_disk_full(error: OSError) -> bool:
    """True for no space, over quota and over the file size limit. Arrow gives the number in its text only at
    times.
    """
    return error.errno in _DISK_FULL or (
        error.errno is None and any(f"errno {number}]" in str(error).lower() for number in _DISK_FULL)
    )


def _write(path: Path, write: Callable[[Path], None], replace: bool) -> bool:
    aside = path.with_name(f"{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}{TMP_SUFFIX}")
    with translated_errors(path):
        try:
            write(aside)
            _sync_file(aside)
            if replace:
                os.replace(aside, path)
                return True
            return _claim(aside, path)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)


def _open_lock(root: Path, name: str) -> int:
    with translated_errors(root):
        return os.open(root / name, os.O_RDWR | os.O_CREAT, 0o666)


def _claim(aside: Path, path: Path) -> bool:
    """Gives `aside` the name `path` if that is free. A hard link is the one portable way that cannot
    overwrite.
    """
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():  # a file system without links: a small gap between look and rename remains
            return False
        os.rename(aside, path)
    return True


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _host() -> str:
    return socket.gethostname().encode().hex()[:32] or "0"


def _is_abandoned(path: Path) -> bool:
    match = _TMP_PATTERN.search(path.name)
    if match is None or match["host"] != _host():
        try:
            return time.time() - path.stat().st_mtime > _FOREIGN_TMP_SECONDS
        except FileNotFoundError:
            return False
    pid = int(match["pid"])
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
