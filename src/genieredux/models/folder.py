"""A checkpoint as a folder in the Hub's convention, and back: `model.safetensors` beside `config.json`.

The folder says everything the file says: kind, configuration, action names, the models that travel inside. Tensors are
named `<section>.<tensor>`, the model the file is about being the section `model`, and have the precision of the file.
`load_model` (checkpoint.py) opens such a folder wherever it opens a file. Knows no particular model.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from genieredux import __version__
from genieredux.errors import UserError
from genieredux.models.checkpoint import (
    PRECISIONS,
    CheckpointData,
    Section,
    fingerprint,
    load_model,
    narrowed,
    save_model,
    widened,
)
from genieredux.runs.files import new_folder, write_bytes, write_text

WEIGHTS, CONFIG = "model.safetensors", "config.json"
FORMAT, FORMAT_VERSION = "genieredux-folder", 1
MAIN = "model"
_FIELDS = {
    "format_version": int,
    "kind": str,
    "step": int,
    "metadata": dict,
    "parameters": int,
    "weights_blake2b": str,
    "models": dict,
}


def export_folder(source: str | Path, out: str | Path, beside: Mapping[str, str] | None = None) -> Path:
    """Write a model file as a folder; whole or not at all.

    beside: file name -> text of what else lies in it, such as README.md. Raises UserError if the source is no model
    file, or `out` exists and is not empty.
    """
    data, out = load_model(source), Path(out)
    parts = {MAIN: data.model, **data.sections}
    tensors = {
        f"{part}.{name}": tensor.clone(memory_format=torch.contiguous_format)
        for part, held in parts.items()
        for name, tensor in narrowed(held.state_dict, data.precision).items()
    }
    with new_folder(out) as aside:
        write_bytes(aside / WEIGHTS, save(tensors, metadata={"format": "pt"}))
        config = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "library_name": "genieredux",
            "genieredux_version": __version__,
            "kind": data.kind,
            "step": data.step,
            "precision": data.precision,
            "metadata": data.metadata,
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
            "weights_blake2b": _digest(aside / WEIGHTS),
            "models": {part: {"kind": held.kind, "config": held.config} for part, held in parts.items()},
        }
        write_text(aside / CONFIG, json.dumps(config, indent=2) + "\n")
        for name, text in (beside or {}).items():
            write_text(aside / name, text)
    return out


def is_folder(path: str | Path) -> bool:
    """Whether `path` is a folder that looks like an exported one."""
    return (Path(path) / CONFIG).is_file()


def import_folder(folder: str | Path, out: str | Path) -> Path:
    """Make the model file again that `export_folder` was given. Raises UserError for a damaged or foreign folder."""
    data = read_folder(folder)
    return save_model(
        out,
        data.kind,
        data.config,
        data.state_dict,
        step=data.step,
        metadata=data.metadata,
        sections=data.sections,
        precision=data.precision,
    )


def read_folder(folder: str | Path) -> CheckpointData:
    """What the file said that `export_folder` was given. Raises UserError for a damaged or foreign folder."""
    folder = Path(folder)
    config = read_config(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise UserError(f"{folder} has no {WEIGHTS}; fetch the folder again")
    if config["weights_blake2b"] != _digest(weights):
        raise UserError(f"{weights} is not the file that {CONFIG} describes (its digest differs); fetch both again")
    states: dict[str, dict[str, Tensor]] = {part: {} for part in config["models"]}
    try:
        with safe_open(weights, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition(".")
                states[part][name] = file.get_tensor(key)
    except (SafetensorError, KeyError) as error:
        raise UserError(f"{weights} is damaged ({error}); fetch it again") from error
    precision = config.get("precision", "float32")
    sections = {}
    for part, model in config["models"].items():
        state = widened(states[part], precision)
        sections[part] = Section(
            model["kind"], model["config"], state, fingerprint(model["kind"], model["config"], state)
        )
    main = sections.pop(MAIN)
    version = str(config.get("genieredux_version", ""))
    return CheckpointData(
        folder, main, sections, config["step"], config["metadata"], precision, version, config["format_version"]
    )


def read_config(folder: str | Path) -> dict[str, Any]:
    """The `config.json` of an exported folder. Raises UserError for a missing, damaged or foreign one."""
    path = Path(folder) / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{folder} has no {CONFIG}; give a folder that `genieredux checkpoint export` wrote") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}); fetch it again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise UserError(f"{folder} was not written by genieredux; give a folder that `checkpoint export` wrote")
    for key, kind in _FIELDS.items():
        if not isinstance(config.get(key), kind) or isinstance(config[key], bool):
            raise UserError(f"{path}: {key} is {config.get(key)!r:.80}, which cannot be; fetch it again")
    if config["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{folder} has format {config['format_version']}, this genieredux reads {FORMAT_VERSION}: update it"
        )
    if config.get("precision", "float32") not in PRECISIONS:
        raise UserError(f"{path}: precision is {config['precision']!r:.80}, which cannot be; fetch it again")
    for part, model in config["models"].items():
        if not isinstance(model, dict) or not isinstance(model.get("kind"), str):
            raise UserError(f"{path}: models.{part} has no kind; fetch it again")
        if not isinstance(model.get("config"), dict):
            raise UserError(f"{path}: models.{part} has no config; fetch it again")
    if MAIN not in config["models"]:
        raise UserError(f"{path}: models names no '{MAIN}'; fetch it again")
    return config


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
