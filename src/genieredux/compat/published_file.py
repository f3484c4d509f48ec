"""Opening a published `.pt`: which models are inside, under the published names, and nothing that could run.

The published trainer writes {step, model, optim, scaler}; `model` is a tokenizer's state dict, or a nest of those of
the dynamics (`dynamics.maskgit`) and the latent action model. A bare state dict is taken as well. Knows names of keys
and the containers of torch; no model is built.
"""

import pickle
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.compat.published_layout import State, flatten, shape, split_models
from genieredux.errors import UserError
from genieredux.models.tensor_file import UNREADABLE

_EMBEDDINGS = {"action_embeddings", "action_embeddings.weight"}
"""Where a file holds its table of action embeddings, if it does."""

_NUMPY_SCALAR: Any = np.float64(0).__reduce__()[0]

_DATA_ONLY: list[Any] = [
    (_NUMPY_SCALAR, "numpy.core.multiarray.scalar"),
    (_NUMPY_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(kind)) for kind in ("float32", "float64", "int32", "int64", "uint8", "bool")},
]
"""numpy's scalars, which a logger may have put into a file: they are built from bytes and run nothing."""


@dataclass(frozen=True)
class PublishedFile:
    """models: the state dict of each model inside, by its kind (a key of `ANCHORS`), prefixes removed.

    action_embeddings: float (rows, width), or None if the file has none. action_names: of those rows, or ().
    left_out: what else the file holds.
    """

    path: Path
    step: int
    models: dict[str, State] = field(repr=False)
    action_embeddings: Tensor | None = field(default=None, repr=False)
    action_names: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def action_width(self) -> int:
        """How many values of an action the dynamics concatenates; 0: it adds them, or there is no dynamics."""
        if "dynamics" not in self.models:
            return 0
        state = self.models["dynamics"]
        dim = shape(state, "token_emb.weight", "the dynamics")[1]
        return shape(state, "transformer.norm_out.gamma", "the dynamics", axes=1)[0] - dim

    @property
    def lacks_action_embeddings(self) -> bool:
        """Whether the dynamics concatenates embedded actions whose table is not in the file."""
        if self.action_embeddings is not None or "dynamics" not in self.models:
            return False
        return self.action_width >= self.models["dynamics"]["token_emb.weight"].shape[1]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the state dicts inside a file name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_published(path: str | Path) -> dict[str, Any]:
    """The plain content of a published file: tensors and plain values by name. Raises UserError as `open_published`."""
    return _read(Path(path))


def is_foreign(path: str | Path) -> bool:
    """Whether a file is there, can be read, and is none of this project's. Nothing in it is run."""
    path = Path(path)
    if not path.is_file():
        return False
    try:
        return _read(path, verify=False).get("format") is None
    except UserError:
        return False


def open_published(path: str | Path) -> PublishedFile:
    """Read a published file onto the CPU.

    Raises UserError for a missing, damaged or foreign file, one of this project's, one that holds more than tensors
    and plain values (it is not unpickled), and one with keys that belong to no model.
    """
    path = Path(path)
    payload = _read(path)
    if payload.get("format") == "genieredux":
        raise UserError(f"{path} is a checkpoint of this project already: `genieredux checkpoint info {path}`")
    model = payload
    beside: dict[str, Any] = {}
    if isinstance(payload.get("model"), Mapping):
        beside = {key: value for key, value in payload.items() if key not in ("model", "step")}
        model = dict(payload["model"])
    embeddings, names = _pop_embeddings(model if _EMBEDDINGS & model.keys() else beside, path)
    left_out = tuple(key for key, value in beside.items() if value is not None)
    with naming(path):
        flat = flatten(model)
    return PublishedFile(path, _step(payload), _split(flat, path), embeddings, names, left_out)


def _step(payload: Mapping[str, Any]) -> int:
    """The updates that the file counts; 0 where it says none."""
    step = payload.get("step")
    if isinstance(step, Tensor) and step.numel() == 1:
        step = step.item()
    return step if isinstance(step, int) and "model" in payload else 0


def _read(path: Path, verify: bool = True) -> dict[str, Any]:
    """What torch finds in a file. verify: compare every record with its checksum, which reads the file once more."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; give a published .pt (a model-<step>.pt or model.pt)")
    zipped = zipfile.is_zipfile(path)
    try:
        if zipped and verify:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise UserError(f"{path} is damaged (record {broken} fails its checksum); fetch it again")
        with torch.serialization.safe_globals(_DATA_ONLY):
            payload = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise UserError(_refusal(path, zipped, error)) from error
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        reason = re.split(r"\n|\. ", str(error))[0] if isinstance(error, RuntimeError | OSError) else "not readable"
        raise UserError(f"{path} is damaged or no torch file ({reason}); fetch it again") from error
    if not isinstance(payload, Mapping):
        raise UserError(f"{path} holds a {type(payload).__name__}, not a state dict; give a published model-<step>.pt")
    return {str(key): value for key, value in payload.items()}


def _refusal(path: Path, zipped: bool, error: pickle.UnpicklingError) -> str:
    found = torch.serialization.get_unsafe_globals_in_checkpoint(path) if zipped else []
    held = ", ".join(sorted(found)[:3] or re.findall(r"GLOBAL (\S+)", str(error)))
    if not held:
        return f"{path} is damaged or no torch file; give a published model-<step>.pt"
    return (
        f"{path} holds more than tensors and plain values ({held}) and is not opened, since that can run code; where "
        f"you trust it, load it and torch.save({{'step': file['step'], 'model': file['model']}}) to another file"
    )


def _pop_embeddings(model: dict[str, Any], path: Path) -> tuple[Tensor | None, tuple[str, ...]]:
    """Take the action embeddings out of a model: a table of rows, or {weights, names}."""
    whole, table = model.pop("action_embeddings", None), model.pop("action_embeddings.weight", None)
    held = table if whole is None else whole
    if held is None:
        return None, ()
    rows = held.get("weights", held.get("weight")) if isinstance(held, Mapping) else held
    if not isinstance(rows, Tensor) or rows.ndim != 2:
        raise UserError(f"{path}: action_embeddings is no table of rows; give a file whose `weights` is a matrix")
    said = held.get("names", ()) if isinstance(held, Mapping) else ()
    names = tuple(f"action_{i}" if name is None else str(name) for i, name in enumerate(said))
    if names and len(names) != len(rows):
        raise UserError(f"{path}: action_embeddings has {len(rows)} rows and {len(names)} names")
    return (rows, names) if len(rows) else (None, ())


def _split(flat: State, path: Path) -> dict[str, State]:
    """Each model's tensors, its prefix removed; UserError for tensors of none, or two models of a kind."""
    with naming(path):
        prefixes, models, outside = split_models(flat)
    if not models:
        some = ", ".join(list(flat)[:3]) or "nothing"
        raise UserError(f"{path} holds no published model (its keys: {some}, ...); give a tokenizer's or GenieRedux's")
    if outside:
        known = ", ".join(f"{kind}: {prefix}*" for kind, prefix in prefixes.items())
        raise UserError(f"{path}: '{outside[0]}' belongs to no model ({known})")
    return models
