"""Writing a file so that it is either whole or absent. Knows nothing of what is written."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from genieredux.errors import UserError

TEMPORARY_MARK = ".unfinished-"


def fsync_directory(folder: Path) -> None:
    """Make a rename inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    """Let `write` fill a file aside, flush it to the disk, then rename it to `path`.

    Whoever is killed half-way leaves `.<name>.unfinished-<pid>` behind and never a half-written `path`.
    Raises UserError when the disk is full or the folder cannot be written.
    """
    aside = path.with_name(f".{path.name}{TEMPORARY_MARK}{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        fsync_directory(path.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; make room or choose another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # nothing was written there, or nothing can be
            aside.unlink()
    return path


def write_bytes(path: Path, content: bytes | memoryview) -> Path:
    """`write_atomically` of content that is there already."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    return write_atomically(path, write)


def remove_unfinished(folder: Path) -> list[Path]:
    """Delete what killed writers left in `folder`; the caller must be the only writer there."""
    left = [path for path in folder.glob(f".*{TEMPORARY_MARK}*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return left
