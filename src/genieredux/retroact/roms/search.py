"""Every file below what a user points at: folders, single files, zips within zips, an installed ale-py.

Knows no game: it yields bytes, or why there are none.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from genieredux.errors import UserError

ALE_PY = "ale-py"
"""The word that stands for the ROM folder of the installed ale-py."""

_MOST_BYTES = 32 * 2**20  # no cartridge holds more, and stable-retro's own import stops there
_MOST_DISC_BYTES = 2**30
_DISC = ".chd"
_PACKED = (".7z", ".rar", ".gz", ".xz", ".bz2", ".tar", ".tgz", ".zst")
ARCHIVES = (".zip", *_PACKED)
"""Endings of files that may hold ROMs."""

_ZIP_MAGIC = b"PK\x03\x04"
_DEEPEST_ZIP = 4


@dataclass(frozen=True)
class Found:
    """A file that was looked at. `source` is its path (a zip's members below the zip's path)."""

    source: str
    data: bytes
    problem: str = ""
    """Why there are no bytes to hash; empty where there are."""


def search(paths: Iterable[str | Path]) -> Iterator[Found]:
    """Every file below `paths`, folders in the order of their names. A zip yields itself, then its members.

    Raises `UserError`, before anything is read, at a path that does not exist or `ale-py` where that is not
    installed.
    """
    for root in [_existing(path) for path in paths]:
        closed: list[OSError] = []
        for path in _files(root, closed):
            yield from _opened(path)
        yield from (Found(str(error.filename), b"", f"folder cannot be opened ({error.strerror})") for error in closed)


def _existing(path: str | Path) -> Path:
    if str(path) == ALE_PY:
        spec = find_spec("ale_py")
        if spec is None or not spec.submodule_search_locations:
            raise UserError('ale-py is not installed here: pip install "genieredux[atari]"')
        return Path(spec.submodule_search_locations[0]) / "roms"
    found = Path(path).expanduser()
    if not found.exists():
        raise UserError(f"there is no folder or file {found}; give folders, ROM files or zips, or the word {ALE_PY}")
    return found


def _files(root: Path, closed: list[OSError]) -> Iterator[Path]:
    """The files below `root`; what kept a folder shut is added to `closed`."""
    if not root.is_dir():
        yield root
        return
    for folder, folders, names in os.walk(root, onerror=closed.append):
        folders.sort()
        yield from (Path(folder) / name for name in sorted(names))


def _opened(path: Path) -> Iterator[Found]:
    ending = path.suffix.lower()
    limit = _MOST_DISC_BYTES if ending == _DISC else _MOST_BYTES
    try:
        if not path.is_file():
            yield Found(str(path), b"", "a broken link or a device")
            return
        if path.stat().st_size > limit and ending != ".zip":
            yield Found(str(path), b"", f"larger than any cartridge ({path.stat().st_size / 2**20:.0f} MiB)")
            return
        if ending == ".zip" and path.stat().st_size > limit:  # a collection: only its members can be ROMs
            with path.open("rb") as file:
                yield from _members(file, str(path), 1)
            return
        data = path.read_bytes()
    except OSError as error:
        yield Found(str(path), b"", f"cannot be read ({error.strerror})")
        return
    yield from _described(data, str(path), 0)


def _described(data: bytes, source: str, depth: int) -> Iterator[Found]:
    """The file itself; of a zip also what is in it."""
    ending = Path(source).suffix.lower()
    if not data:
        yield Found(source, b"", "empty file")
    elif ending in _PACKED:
        yield Found(source, b"", f"packed as {ending}: unpack it first")
    elif ending != ".zip" and not data.startswith(_ZIP_MAGIC):
        yield Found(source, data)
    elif depth >= _DEEPEST_ZIP:
        yield Found(source, b"", f"a zip within {_DEEPEST_ZIP} zips: unpack it first")
    else:
        yield Found(source, data)
        yield from _members(io.BytesIO(data), source, depth + 1)


def _members(file: io.BufferedIOBase | io.BytesIO, source: str, depth: int) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError):
        yield Found(source, b"", "corrupt zip")
        return
    with archive:
        for member in sorted(archive.infolist(), key=lambda one: one.filename):
            if member.is_dir():
                continue
            name = f"{source}/{member.filename}"
            if member.file_size > _MOST_BYTES:
                yield Found(name, b"", f"larger than any cartridge ({member.file_size / 2**20:.0f} MiB)")
                continue
            try:
                data = archive.read(member)
            except RuntimeError as error:  # also NotImplementedError: a compression that Python lacks
                yield Found(name, b"", f"cannot be unpacked ({error})")
                continue
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
                yield Found(name, b"", f"corrupt zip member ({error})")
                continue
            yield from _described(data, name, depth)
