"""The file of a trained model: `model-<step>.pt`, everything needed to use it and nothing that can run.

A torch zip of plain tensors and plain Python (`torch.load(..., weights_only=True)` opens it):

    checksum, format, format_version, genieredux_version, kind, step, precision, metadata
    model     {kind, config, state_dict, fingerprint}          what the file is about
    sections  {name: {kind, config, state_dict, fingerprint}}  whole models it needs, e.g. the tokenizer of a
    dynamics

Every record of the zip carries its CRC-32, verified before anything is unpickled; the checksum covers the
content and is verified after. The fingerprint names a model's weights. This file knows no particular model:
it moves dictionaries.
"""

import dataclasses
import difflib
import hashlib
import json
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch
from torch import Tensor

from genieredux import __version__
from genieredux.errors import UserError
from genieredux.runs.files import write_atomically

FORMAT = "genieredux"
FORMAT_VERSION = 1
HALF_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
CHECKSUM = "checksum"
PRECISIONS = ("float32", *HALF_DTYPES)

State = dict[str, Tensor]


@dataclass(frozen=True)
class Section:
    """One model inside a file.

    config: plain values; state_dict: CPU tensors, half precision already widened.
    """

    kind: str
    config: dict[str, Any]
    state_dict: State = field(repr=False)
    fingerprint: str = ""


@dataclass(frozen=True)
class CheckpointData:
    """What `load_model` gives. `kind`, `config`, `state_dict` are those of the model the file is about."""

    path: Path
    model: Section
    sections: dict[str, Section]
    step: int
    metadata: dict[str, Any]
    precision: str
    genieredux_version: str
    format_version: int

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def config(self) -> dict[str, Any]:
        return self.model.config

    @property
    def state_dict(self) -> State:
        return self.model.state_dict

    def section(self, name: str) -> Section:
        """A model that travels in the file. Raises UserError naming what the file does hold."""
        if name not in self.sections:
            held = ", ".join([self.kind, *self.sections])
            raise UserError(f"{self.path} holds no '{name}' (it holds: {held}); give a file that has one")
        return self.sections[name]


def save_model(
    path: str | Path,
    kind: str,
    config: Any,
    state_dict: Mapping[str, Tensor],
    *,
    step: int = 0,
    metadata: Mapping[str, Any] | None = None,
    sections: Mapping[str, Section] | None = None,
    precision: str = "float32",
) -> Path:
    """Write a model file; whole or not at all.

    kind: the model's `.kind`. config: dataclass or mapping of plain values. metadata: plain values that
    belong to the model, such as action_names. sections: other whole models it cannot be used without.
    precision: "float32" keeps the tensors as they are; "float16" or "bfloat16" stores float32 tensors in half
    the bytes (they come back as float32), for worlds that are shipped and no longer trained.
    Raises UserError when the disk is full, TypeError when a value is not plain.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision is '{precision}'; choose one of {', '.join(PRECISIONS)}")
    payload = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "genieredux_version": __version__,
        "kind": kind,
        "step": int(step),
        "precision": precision,
        "metadata": plain(metadata or {}),
        "model": _pack(Section(kind, plain(config), dict(state_dict)), precision),
        "sections": {name: _pack(section, precision) for name, section in (sections or {}).items()},
    }
    return write_tensors(path, payload)


def load_model(path: str | Path, expect: str | Iterable[str] | None = None) -> CheckpointData:
    """Read a model file onto the CPU.

    expect: the kind, or kinds, that the caller can use. Raises UserError for a missing file (naming the
    nearest), a damaged or foreign one, one of another kind, one written by a newer format.
    """
    path = Path(path)
    payload = read_tensors(path)
    if payload.get("format") != FORMAT:
        raise UserError(f"{path} is not a model ({payload.get('format')}); give a model-<step>.pt that `train` wrote")
    if payload["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{path} has format {payload['format_version']}, this genieredux ({__version__}) reads up to "
            f"{FORMAT_VERSION}; it was written by {payload['genieredux_version']}: update genieredux"
        )
    wanted = [expect] if isinstance(expect, str) else list(expect or [payload["kind"]])
    if payload["kind"] not in wanted:
        inside = payload["sections"].keys() & set(wanted)
        hint = f" (there is a {inside.pop()} inside it)" if inside else ""
        raise UserError(
            f"{path} holds a '{payload['kind']}'{hint}, but a '{' or '.join(wanted)}' is needed here; "
            f"give a file of that kind"
        )
    half = HALF_DTYPES.get(payload["precision"])
    return CheckpointData(
        path=path,
        model=_unpack(payload["model"], half),
        sections={name: _unpack(section, half) for name, section in payload["sections"].items()},
        step=payload["step"],
        metadata=payload["metadata"],
        precision=payload["precision"],
        genieredux_version=payload["genieredux_version"],
        format_version=payload["format_version"],
    )


def repack(source: str | Path, target: str | Path, precision: str) -> Path:
    """Copy a model file in another precision, e.g. float16 to ship a world at half its size."""
    data = load_model(source)
    return save_model(
        target,
        data.kind,
        data.config,
        data.state_dict,
        step=data.step,
        metadata=data.metadata,
        sections=data.sections,
        precision=precision,
    )


def fingerprint(kind: str, config: Any, state_dict: Mapping[str, Tensor]) -> str:
    """32 hex digits that name a model by what it computes with: kind, configuration, tensors bit for bit."""
    tensors = {name: state_dict[name] for name in sorted(state_dict)}
    return _digest([kind, json.dumps(plain(config), sort_keys=True), tensors])


def plain(value: Any) -> Any:
    """`value` made of dict, list, str, int, float, bool and None alone; TypeError for anything else."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a checkpoint holds plain values only, not {type(value).__name__}: {value!r}")


def write_tensors(path: str | Path, payload: Mapping[str, Any]) -> Path:
    """torch.save of plain values and tensors with a digest of all of them; whole or not at all.

    Raises UserError.
    """
    content = {CHECKSUM: _digest(payload), **payload}

    def write(file: BinaryIO) -> None:
        keeper = _ErrorKeeper(file)
        try:
            torch.save(content, cast("IO[bytes]", keeper))
        except RuntimeError as error:  # torch hides the reason (disk full) behind its own message
            raise keeper.error or error from error

    return write_atomically(Path(path), write)


def read_tensors(path: str | Path) -> dict[str, Any]:
    """torch.load onto the CPU, verified before and after. Never runs pickled code. Raises UserError."""
    path = Path(path)
    if not path.is_file():
        raise UserError(_missing(path))
    _verify_records(path)
    try:
        payload = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors and plain values and is not opened; give one genieredux wrote"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(_damaged(path, error)) from error
    if not isinstance(payload, dict) or CHECKSUM not in payload:
        raise UserError(f"{path} was not written by genieredux; give a model-<step>.pt that `train` wrote")
    # The records' own checksums do not cover the zip's directory, and torch reads a record that the directory
    # calls a folder as uninitialised memory: hence a digest of what was really read.
    if payload.pop(CHECKSUM) != _digest(payload):
        raise UserError(_damaged(path, "its content fails its checksum"))
    return payload


def _verify_records(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
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
    folder = next(parent for parent in [path.parent, *path.parent.parents] if parent.is_dir())
    pattern = "*.pt" if folder == path.parent else "**/*.pt"
    files = _checkpoints_in(folder, pattern)
    by_name = {str(file): file for file in files}
    near = difflib.get_close_matches(str(path), by_name, n=3, cutoff=0.3) or [str(file) for file in files[-3:]]
    if path.is_dir():
        return f"{path} is a folder, not a checkpoint; give one of its files: {', '.join(near) or 'it has none'}"
    return f"no checkpoint at {path}; nearest: {', '.join(near) or f'none in {folder}'}"


def _checkpoints_in(folder: Path, pattern: str = "*.pt") -> list[Path]:
    """Checkpoints below `folder`, oldest step first; gives up looking after a few thousand files."""
    found = []
    for count, file in enumerate(folder.glob(pattern)):
        if count > 5000:
            break
        if not file.name.startswith((".", "state-")):
            found.append(file)
    return sorted(found, key=lambda file: (len(file.name), file.name))


def _pack(section: Section, precision: str) -> dict[str, Any]:
    half = HALF_DTYPES.get(precision)
    state = {name: _compact(tensor, half) for name, tensor in section.state_dict.items()}
    widened = _map_state(state, lambda tensor: _widen(tensor, half))
    config = plain(section.config)
    return {
        "kind": section.kind,
        "config": config,
        "state_dict": state,
        "fingerprint": fingerprint(section.kind, config, widened),
    }


def _unpack(packed: dict[str, Any], half: torch.dtype | None) -> Section:
    state = _map_state(packed["state_dict"], lambda tensor: _widen(tensor, half))
    return Section(packed["kind"], packed["config"], state, packed["fingerprint"])


def _compact(tensor: Tensor, half: torch.dtype | None) -> Tensor:
    tensor = tensor.detach().cpu()
    if half is not None and tensor.dtype == torch.float32:
        narrow = tensor.to(half)
        if torch.isfinite(narrow).all():  # a value beyond float16's range keeps its tensor in float32
            return narrow
    if tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
        return tensor.clone()  # torch.save would write the whole storage that a view looks into
    return tensor


def _widen(tensor: Tensor, half: torch.dtype | None) -> Tensor:
    return tensor.float() if half is not None and tensor.dtype == half else tensor


def _digest(value: Any) -> str:
    """32 hex digits of nested plain values and tensors, in their order."""
    digest = hashlib.blake2b(digest_size=16)

    def feed(item: Any) -> None:
        if isinstance(item, Tensor):
            tensor = item.detach().cpu().contiguous()
            digest.update(f"tensor|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(item, Mapping):
            digest.update(f"dict|{len(item)}|".encode())
            for key, inner in item.items():
                digest.update(f"{key!r}|".encode())
                feed(inner)
        elif isinstance(item, list | tuple):
            digest.update(f"list|{len(item)}|".encode())
            for inner in item:
                feed(inner)
        else:
            digest.update(f"{item!r}|".encode())

    feed(value)
    return digest.hexdigest()


def _map_state(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return {name: change(tensor) for name, tensor in state.items()}


class _ErrorKeeper:
    """A writable file that remembers why a write failed, since torch does not pass the reason on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self._file.flush()
