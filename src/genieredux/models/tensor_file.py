"""Files of tensors and plain values: written whole or not at all, read without running anything, verified twice.

A torch zip that `torch.load(..., weights_only=True)` opens, whose records are stored as they are. Every record carries
its CRC-32, verified before anything is unpickled; a checksum covers the content and is verified after. Knows no model.
"""

import hashlib
import math
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from torch import Tensor

from genieredux.checking import nearest_few
from genieredux.errors import UserError
from genieredux.nn.memory import let_go_of_mapped
from genieredux.runs.below import files_below
from genieredux.runs.files import write_atomically

CHECKSUM = "checksum"
UNREADABLE = (
    *(RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, MemoryError, struct.error),
)
"""What torch's unpickler raises at bytes that are no pickle, besides its own error."""


def write_tensors(path: str | Path, payload: Mapping[str, Any]) -> Path:
    """torch.save of plain values and tensors with a digest of all of them; whole or not at all.

    Raises UserError.
    """
    content = {CHECKSUM: digest(payload), **payload}

    def write(file: BinaryIO) -> None:
        keeper = _ErrorKeeper(file)
        try:
            torch.save(content, cast("IO[bytes]", keeper))
        except RuntimeError as error:  # torch hides the reason (disk full) behind its own message
            raise keeper.error or error from error

    return write_atomically(Path(path), write)


def read_tensors(path: str | Path, map_from: float = math.inf) -> dict[str, Any]:
    """torch.load onto the CPU, verified before and after. Never runs pickled code. Raises UserError.

    map_from: of a file of so many bytes or more the tensors are not read, but mapped: what is looked at of them is
    memory that the system can take back. Whoever goes on using them should copy them.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(_missing(path))
    _verify_records(path)
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True, mmap=path.stat().st_size >= map_from)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors and plain values and is not opened; give one genieredux wrote"
        ) from error
    except UNREADABLE as error:
        raise UserError(_damaged(path, error)) from error
    _check_sizes(path, payload)
    if not isinstance(payload, dict) or CHECKSUM not in payload:
        raise UserError(f"{path} was not written by genieredux; give a model-<step>.pt that `train` wrote")
    # The records' own checksums do not cover the zip's directory, and torch reads a record that the directory
    # calls a folder as uninitialised memory: hence a digest of what was really read.
    if payload.pop(CHECKSUM) != digest(payload):
        raise UserError(_damaged(path, "its content fails its checksum"))
    return payload


DEPTH = 64
"""Dictionaries and lists inside one another, at the most."""


def _check_sizes(path: Path, payload: Any) -> None:
    """No tensor claims more values than its storage holds (a stride of zero would), nothing is nested without end."""
    level = [payload]
    for _ in range(DEPTH):
        for item in level:
            if isinstance(item, Tensor) and item.numel() * item.element_size() > item.untyped_storage().nbytes():
                raise UserError(
                    f"{path} holds a tensor of {tuple(item.shape)} values that the file has not; give another"
                )
        held = [item for item in level if isinstance(item, Mapping | list | tuple)]
        level = [inner for item in held for inner in (item.values() if isinstance(item, Mapping) else item)]
        if not level:
            return
    raise UserError(f"{path} is nested more than {DEPTH} levels deep; give a file that genieredux wrote")


def _verify_records(path: Path) -> None:
    """Every record as its checksum says, and stored as it is: a compressed one could grow without end."""
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
            packed = [record.filename for record in records if record.compress_type != zipfile.ZIP_STORED]
            if packed or sum(record.file_size for record in records) > path.stat().st_size:
                raise UserError(
                    f"{path} holds compressed or overlapping records, which no model file has; give another"
                )
            # torch takes a record that is marked as a folder (0x10) for one without content, whatever its checksum
            folders = [record.filename for record in records if record.external_attr & 0x10 and record.file_size]
            broken = folders[0] if folders else archive.testzip()
    # zipfile answers damage with whichever of these the damaged field leads to
    except (
        zipfile.BadZipFile,
        OSError,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
        zlib.error,
    ) as error:
        raise UserError(_damaged(path, error)) from error
    if broken is not None:
        raise UserError(_damaged(path, f"record {broken} fails its checksum"))


def _damaged(path: Path, reason: object) -> str:
    others = [other for other in _checkpoints_in(path.parent) if other != path]
    hint = f"use another one, e.g. {others[-1]}" if others else "make it again or copy it again"
    return f"{path} is damaged or cut short ({str(reason).splitlines()[0] if str(reason) else reason!r}); {hint}"


def _missing(path: Path) -> str:
    if path.is_dir():
        newest = [str(file) for file in _checkpoints_in(path, deep=True)[-3:]]
        return f"{path} is a folder, not a checkpoint; give one of its files: {', '.join(newest) or 'it has none'}"
    if path.exists():
        return f"{path} is no file; a checkpoint is one"
    folder = next(parent for parent in [path.parent, *path.parent.parents] if parent.is_dir())
    files = _checkpoints_in(folder, deep=folder != path.parent)
    by_name = {str(file): file for file in files}
    near = nearest_few(str(path), by_name)
    return f"no checkpoint at {path}; nearest: {', '.join(near) or f'none in {folder}'}"


def _checkpoints_in(folder: Path, deep: bool = False) -> list[Path]:
    """Checkpoints in `folder`, or anywhere below it that is soon looked at, oldest step first."""
    files = files_below(folder) if deep else folder.glob("*.pt")
    found = [file for file in files if file.suffix == ".pt" and not file.name.startswith((".", "state-"))]
    return sorted(found, key=lambda file: (len(file.name), file.name))


def digest(value: Any) -> str:
    """32 hex digits of nested plain values and tensors, in their order."""
    hashed = hashlib.blake2b(digest_size=16)

    def feed(item: Any) -> None:
        if isinstance(item, Tensor):
            tensor = item.detach().cpu().contiguous()
            hashed.update(f"tensor|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            if tensor.numel():  # an empty one has no bytes, and torch gives it strides that cannot be viewed as bytes
                hashed.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
            let_go_of_mapped()
        elif isinstance(item, Mapping):
            hashed.update(f"dict|{len(item)}|".encode())
            for key, inner in item.items():
                hashed.update(f"{key!r}|".encode())
                feed(inner)
        elif isinstance(item, list | tuple):
            hashed.update(f"list|{len(item)}|".encode())
            for inner in item:
                feed(inner)
        else:
            hashed.update(f"{item!r}|".encode())

    feed(value)
    return hashed.hexdigest()


class _ErrorKeeper:
    """A writable file that remembers why a write failed, since torch does not pass the reason on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        let_go_of_mapped()  # tensors that lie in a file need not be in memory together while they are written
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()
