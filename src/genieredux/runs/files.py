"""How a file or a folder appears: whole or not at all, and never over somebody else's.

Every write goes aside, to `.<name>.unfinished-<host>-<process>-<random>` beside its place, is flushed to the disk and
takes its name in one step. The name aside says which process on which machine owns it, so the leftovers of a dead one
can be told from the work of a living one. Knows nothing of what is written.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast

from genieredux.errors import UserError

_MARK = ".unfinished-"
_OWNER = re.compile(
    r"\.unfinished-((?P<host>[0-9a-f]{8})-)?(?P<pid>\d+)(-[0-9a-f]{8})?(?P<old>-old)?$"  # without a host: before 0.3
    r"|\.(?P<hex_host>[0-9a-f]+)-(?P<hex_pid>\d+)-[0-9a-f]+\.tmp$"  # of data sets before 0.3
)
_FOREIGN_SECONDS = 24 * 3600.0  # after so long the leftover of another machine counts as abandoned
_KEPT_NAME_BYTES = 150  # of the name in the name aside: file systems allow 255 bytes
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    """Let `write` fill a file aside (its `.name` is a path that can be read back), then give it the name `path`, which
    is replaced where it exists. Returns `path`.

    Whoever is killed half-way leaves a file aside and never a half-written `path`. Raises UserError where the disk is
    full, the name too long or the folder not to be written; then `path` is as it was and nothing is left aside.
    """
    _write(path, write, replace=True)
    return path


def write_new(path: Path, write: Callable[[BinaryIO], None]) -> bool:
    """As `write_atomically`, but what has the name `path` already stays; returns whether the file was created. Its name
    survives a power cut after the next `sync_folder`.
    """
    return _write(path, write, replace=False)


def write_bytes(path: Path, content: bytes | memoryview) -> Path:
    """`write_atomically` of content that is there already."""
    return write_atomically(path, content_writer(content))


def write_text(path: Path, text: str) -> Path:
    """`write_atomically` of a text in UTF-8; half a character, which JSON may hold and no file can, becomes `?`."""
    return write_bytes(path, text.encode("utf-8", "replace"))


def write_together(texts: Mapping[Path, str]) -> None:
    """`write_text` of files that belong together: none takes its name before all of them are on the disk."""
    asides = {path: _aside(path) for path in texts}
    try:
        for path, text in texts.items():
            with writing(path):
                _fill(asides[path], content_writer(text.encode("utf-8", "replace")))
        for path, aside in asides.items():
            with writing(path):
                os.replace(aside, path)
                sync_folder(path.parent)
    finally:
        for aside in asides.values():
            _clear(aside)


def content_writer(content: bytes | memoryview) -> Callable[[BinaryIO], None]:
    """What writes `content` into the file it is given."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    return write


@contextlib.contextmanager
def new_folder(out: Path, may_replace: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """A folder aside to fill; when the block ends it takes the name `out`, when it fails it is removed.

    may_replace: whether what is at `out` may go; an empty folder always may. Raises UserError where it may not, or
    `out` cannot be written. What a killed process left aside is removed by the next one, and what that one had moved
    out of the way comes back.
    """
    out = Path(os.path.abspath(out))
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        _restore_replaced(out)
        _check_free(out, may_replace)
        aside = _aside(out)
        try:
            aside.mkdir()
            yield aside
            _sync_tree(aside)
            _check_free(out, may_replace)
            _take_place(aside, out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns whatever the system says against writing `path` into a UserError that names it and the way out."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: str | os.PathLike[str], error: OSError) -> UserError:
    """The line for an error of the system in writing `path`."""
    reason = error.strerror or str(error) or type(error).__name__
    if is_disk_full(error):
        reason, fix = f"the disk is full ({reason})", "free some space and run the same command again"
    elif error.errno == errno.ENAMETOOLONG:
        fix = "give a shorter name (at most 255 bytes)"
    elif error.errno == errno.EIO:
        fix = "the disk or its connection fails; choose another place"
    else:
        fix = "choose a folder you may write to"
    return UserError(f"cannot write {path}: {reason}; {fix}")


def is_disk_full(error: OSError) -> bool:
    """True for no space, over quota and over the file size limit; Arrow gives the number in its text alone."""
    return error.errno in _DISK_FULL or (
        error.errno is None and any(f"errno {number}]" in str(error).lower() for number in _DISK_FULL)
    )


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as far as its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_unfinished(folder: Path, shared: bool = False) -> list[Path]:
    """Delete what killed writers left in `folder` and return it; folders aside are left to `new_folder`.

    shared: others may be writing here, so only what belongs to a dead process (or, from another machine, is a day old)
    goes; else the caller must be the only writer.
    """
    removed = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if _OWNER.search(path.name) and path.is_file() and not (shared and _is_owned(path)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                removed.append(path)
    return removed


def _write(path: Path, write: Callable[[BinaryIO], None], replace: bool) -> bool:
    aside = _aside(path)
    with writing(path):
        try:
            _fill(aside, write)
            if replace:
                os.replace(aside, path)
                sync_folder(path.parent)
                return True
            return _claim(aside, path)
        finally:
            _clear(aside)


def _fill(aside: Path, write: Callable[[BinaryIO], None]) -> None:
    aside.parent.mkdir(parents=True, exist_ok=True)
    with open(aside, "w+b") as file:
        write(cast(BinaryIO, file))
        file.flush()
        os.fsync(file.fileno())


def _clear(aside: Path) -> None:
    with contextlib.suppress(OSError):  # nothing was written there, or nothing can be
        aside.unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    if not path.name:
        raise UserError(f"'{path}' has no name that can be given; give a path below it")
    kept = os.fsdecode(os.fsencode(path.name)[:_KEPT_NAME_BYTES])
    return path.with_name(f".{kept}{_MARK}{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def _claim(aside: Path, path: Path) -> bool:
    """Gives `aside` the name `path` if that is free. A hard link is the one portable way that cannot overwrite."""
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


def _check_free(out: Path, may_replace: Callable[[Path], bool]) -> None:
    if not os.path.lexists(out) or may_replace(out):
        return
    if out.is_symlink() or not out.is_dir() or any(out.iterdir()):
        raise UserError(f"{out} exists and is not empty; give another folder")


def _take_place(aside: Path, out: Path) -> None:
    replaced = aside.with_name(f"{aside.name}-old")
    if out.exists():
        os.rename(out, replaced)
    os.rename(aside, out)
    sync_folder(out.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _restore_replaced(out: Path) -> None:
    """Removes what dead processes left beside `out`; what one had moved out of the way takes its place again."""
    beginning = _aside(out).name.rpartition(_MARK)[0] + _MARK
    for path in sorted(out.parent.iterdir()):
        owner = _OWNER.search(path.name)
        if owner is None or not path.name.startswith(beginning) or not path.is_dir() or _is_owned(path):
            continue
        if owner["old"] and not os.path.lexists(out):
            os.rename(path, out)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def _host() -> str:
    return sha256(socket.gethostname().encode()).hexdigest()[:8]


def _is_owned(path: Path) -> bool:
    """Whether the process that writes the file or folder aside may be alive."""
    owner = _OWNER.search(path.name)
    if owner is None:
        return True
    before = socket.gethostname().encode().hex()[:32] or "0"
    here = owner["hex_host"] == before if owner["hex_host"] else owner["host"] in (None, _host())
    if not here:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - path.stat().st_mtime <= _FOREIGN_SECONDS
        return True
    try:
        os.kill(int(owner["pid"] or owner["hex_pid"]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
