"""The files below a folder as a person means them: links to folders are followed once, what systems and editors leave
about is passed over. Knows nothing of what is in a file.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_LEFT_BY_SYSTEMS = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "lost+found", "$recycle.bin", "@eadir", "__pycache__"}
    | {"system volume information", "icon\r"}
)


def is_stray(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or was left by a system, an editor or a download cut short."""
    return (
        (name.startswith((".", "~$", "#")) and name not in (".", ".."))
        or name.lower().endswith(("~", ".part", ".crdownload", ".tmp", ".bak", ".swp"))
        or name.lower() in _LEFT_BY_SYSTEMS
    )


def printable(text: str | os.PathLike[str]) -> str:
    """A file's name for people: what is not UTF-8 in it is shown as U+FFFD."""
    return os.fsencode(os.fspath(text)).decode("utf-8", "replace")


def files_below(root: Path, closed: list[OSError] | None = None) -> Iterator[Path]:
    """Every file below `root`, sorted by path, or `root` itself where it is one. Pipes, sockets and devices, which may
    never end, are no files; a link that leads nowhere is one, so that who reads it can name it.

    A folder that is reached in several ways, by links or in a circle, is entered once, by its own name where that is
    below `root`. closed: takes what kept a folder shut; without it such a folder counts as empty.
    """
    if not root.is_dir():
        yield root
        return
    entered: set[tuple[int, int]] = set()
    found: list[Path] = []
    waiting = [root]
    while waiting:
        linked: list[Path] = []
        for folder in waiting:
            linked += _enter(folder, entered, found, [] if closed is None else closed)
        waiting = linked  # after all real folders, so that these keep their own names
    yield from sorted(found)


def _enter(top: Path, entered: set[tuple[int, int]], found: list[Path], closed: list[OSError]) -> list[Path]:
    """Adds the files of `top` and the real folders in it to `found`; returns the links to folders that were met."""
    links, stack = [], [top]
    while stack:
        folder = stack.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            closed.append(error)
            continue
        for entry in entries:
            if is_stray(entry.name):
                continue
            path = folder / entry.name
            kind = _kind(path)
            if kind == stat.S_IFREG or kind is None:
                found.append(path)
            elif kind != stat.S_IFDIR:
                continue
            elif entry.is_symlink():
                links.append(path)
            else:
                stack.append(path)
    return links


def _kind(path: Path) -> int | None:
    """What a path leads to, as `stat.S_IFMT` has it; None where a link leads nowhere."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except OSError:
        return None
