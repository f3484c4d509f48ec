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
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genieredux import __version__
from genieredux.errors import UserError
from genieredux.models.tensor_file import digest, read_tensors, write_tensors

FORMAT = "genieredux"
FORMAT_VERSION = 1
HALF_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
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
    """Read a model file onto the CPU, or the folder that one was exported as (folder.py).

    expect: the kind, or kinds, that the caller can use. Raises UserError for a missing file (naming the
    nearest), a damaged or foreign one, one of another kind, one written by a newer format.
    """
    path = Path(path)
    if path.is_dir() and (path / "config.json").is_file():
        from genieredux.models.folder import read_folder

        data = read_folder(path)
        _check_kind(path, data.kind, data.sections, expect)
        return data
    payload = read_tensors(path)
    if payload.get("format") != FORMAT:
        raise UserError(f"{path} is not a model ({payload.get('format')}); give a model-<step>.pt that `train` wrote")
    _check_structure(path, payload)
    if payload["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{path} has format {payload['format_version']}, this genieredux ({__version__}) reads up to "
            f"{FORMAT_VERSION}; it was written by {payload['genieredux_version']}: update genieredux"
        )
    _check_kind(path, payload["kind"], payload["sections"], expect)
    precision = payload["precision"]
    return CheckpointData(
        path=path,
        model=_unpack(payload["model"], precision),
        sections={name: _unpack(section, precision) for name, section in payload["sections"].items()},
        step=payload["step"],
        metadata=payload["metadata"],
        precision=precision,
        genieredux_version=payload["genieredux_version"],
        format_version=payload["format_version"],
    )


_PAYLOAD = {
    "format_version": int,
    "genieredux_version": str,
    "kind": str,
    "step": int,
    "precision": str,
    "metadata": dict,
    "model": dict,
    "sections": dict,
}
_SECTION = {"kind": str, "config": dict, "state_dict": dict, "fingerprint": str}


def _check_structure(path: Path, payload: Mapping[str, Any]) -> None:
    """What a model's file must hold, by name and type; else UserError."""

    def check(values: Any, wanted: Mapping[str, type], where: str) -> None:
        for name, kind in wanted.items():
            value = values.get(name) if isinstance(values, dict) else None
            if not isinstance(value, kind) or isinstance(value, bool):
                said = type(value).__name__ if isinstance(values, dict) and name in values else "missing"
                raise UserError(
                    f"{path} is no whole model file: {where}{name} is {said}; make it again or copy it again"
                )

    check(payload, _PAYLOAD, "")
    for name, section in {"model": payload["model"], **payload["sections"]}.items():
        check(section, _SECTION, f"{name}.")
        for tensor_name, tensor in section["state_dict"].items():
            if not isinstance(tensor_name, str) or not isinstance(tensor, Tensor):
                raise UserError(f"{path} is no whole model file: {name}.state_dict holds {tensor_name!r}, no tensor")
    if payload["precision"] not in PRECISIONS:
        raise UserError(f"{path} says precision {payload['precision']!r}; known are {', '.join(PRECISIONS)}")


def _check_kind(path: Path, kind: str, sections: Iterable[str], expect: str | Iterable[str] | None) -> None:
    wanted = [expect] if isinstance(expect, str) else list(expect or [kind])
    if kind not in wanted:
        inside = set(sections) & set(wanted)
        hint = f" (there is a {inside.pop()} inside it)" if inside else ""
        raise UserError(
            f"{path} holds a '{kind}'{hint}, but a '{' or '.join(wanted)}' is needed here; give a file of that kind"
        )


def fingerprint(kind: str, config: Any, state_dict: Mapping[str, Tensor]) -> str:
    """32 hex digits that name a model by what it computes with: kind, configuration, tensors bit for bit."""
    tensors = {name: state_dict[name] for name in sorted(state_dict)}
    return digest([kind, json.dumps(plain(config), sort_keys=True), tensors])


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


def plain_defaults(settings: Any) -> dict[str, Any]:
    """What the fields of a dataclass are where nobody says, as plain values; of those that are dataclasses, theirs."""
    found = {}
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if dataclasses.is_dataclass(value):
            found[item.name] = plain_defaults(value)
        elif item.default is not dataclasses.MISSING:
            found[item.name] = plain(item.default)
        elif item.default_factory is not dataclasses.MISSING:
            found[item.name] = plain(item.default_factory())
    return found


def _pack(section: Section, precision: str) -> dict[str, Any]:
    state = narrowed(dict(section.state_dict), precision)
    config = plain(section.config)
    return {
        "kind": section.kind,
        "config": config,
        "state_dict": state,
        "fingerprint": fingerprint(section.kind, config, widened(state, precision)),
    }


def _unpack(packed: dict[str, Any], precision: str) -> Section:
    return Section(packed["kind"], packed["config"], widened(packed["state_dict"], precision), packed["fingerprint"])


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


def narrowed(state: State, precision: str) -> State:
    """float32 tensors in the precision of a file, where their values allow it."""
    half = HALF_DTYPES.get(precision)
    return _map_state(state, lambda tensor: _compact(tensor, half))


def widened(state: State, precision: str) -> State:
    """Tensors as they are computed with: float32 where a file had them in half of it."""
    half = HALF_DTYPES.get(precision)
    return _map_state(state, lambda tensor: _widen(tensor, half))


def _map_state(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return {name: change(tensor) for name, tensor in state.items()}
