"""Every file below what a user points at: folders, single files, zips within zips, an installed ale-py.

Knows no game: it yields bytes, or why there are none.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from genieredux.errors import UserError
from genieredux.runs.places import user_path
from genieredux.runs.walk import files_below, is_stray, printable

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
_LEAST_ALLOWANCE = 64 * 2**20
_MOST_RATIO = 200
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, OverflowError, struct.error)


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
        for path in files_below(root, closed):
            yield from _opened(path)
        for error in closed:
            yield Found(printable(str(error.filename)), b"", f"folder cannot be opened ({error.strerror})")


def _existing(path: str | Path) -> Path:
    if str(path) == ALE_PY:
        spec = find_spec("ale_py")
        if spec is None or not spec.submodule_search_locations:
            raise UserError('ale-py is not installed here: pip install "genieredux[atari]"')
        return Path(spec.submodule_search_locations[0]) / "roms"
    found = user_path(path)
    if not os.path.exists(found):
        raise UserError(f"there is no folder or file {found}; give folders, ROM files or zips, or the word {ALE_PY}")
    return found


def _opened(path: Path) -> Iterator[Found]:
    ending, source = path.suffix.lower(), printable(path)
    limit = _MOST_DISC_BYTES if ending == _DISC else _MOST_BYTES
    try:
        if not path.is_file():
            yield Found(source, b"", "a broken link or a device")
            return
        if path.stat().st_size > limit and ending != ".zip":
            yield Found(source, b"", f"larger than any cartridge ({path.stat().st_size / 2**20:.0f} MiB)")
            return
        if ending == ".zip" and path.stat().st_size > limit:  # a collection: only its members can be ROMs
            with path.open("rb") as file:
                yield from _members(file, source, 1, _Allowance(path.stat().st_size))
            return
        data = path.read_bytes()
    except OSError as error:
        yield Found(source, b"", f"cannot be read ({error.strerror})")
        return
    yield from _described(data, source, 0, _Allowance(len(data)))


def _described(data: bytes, source: str, depth: int, allowance: "_Allowance") -> Iterator[Found]:
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
        yield from _members(io.BytesIO(data), source, depth + 1, allowance)


class _Allowance:
    """How many bytes may still be unpacked of a file: no collection of ROMs is packed tighter than this."""

    def __init__(self, packed: int) -> None:
        self._left = max(_LEAST_ALLOWANCE, packed * _MOST_RATIO)

    def take(self, size: int) -> bool:
        """Whether `size` more bytes are within it."""
        self._left -= size
        return self._left >= 0


def _members(file: BinaryIO, source: str, depth: int, allowance: _Allowance) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(file)
        members = sorted(archive.infolist(), key=lambda one: one.filename)
    except _ZIP_ERRORS:
        yield Found(source, b"", "corrupt zip")
        return
    with archive:
        for member in members:
            if member.is_dir() or any(is_stray(part) for part in member.filename.split("/")):
                continue
            name = printable(f"{source}/{member.filename}")
            if member.file_size > _MOST_BYTES:
                yield Found(name, b"", f"larger than any cartridge ({member.file_size / 2**20:.0f} MiB)")
            elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                yield Found(name, b"", "cannot be unpacked (neither stored nor deflated)")
            elif not allowance.take(member.file_size):
                yield Found(source, b"", "unpacks to far more than ROMs would: unpack it first")
                return
            else:
                yield from _member(archive, member, name, depth, allowance)


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, depth: int, allowance: _Allowance
) -> Iterator[Found]:
    try:
        with archive.open(member) as packed:  # asked for a size, it never unpacks more, whatever it holds
            data = packed.read(member.file_size)
            packed.read(1)  # reads past the end, where the checksum is compared
    except RuntimeError as error:  # encrypted
        yield Found(name, b"", f"cannot be unpacked ({error})")
        return
    except _ZIP_ERRORS as error:
        yield Found(name, b"", f"corrupt zip member ({error})")
        return
    yield from _described(data, name, depth, allowance)
