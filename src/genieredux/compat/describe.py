"""What is inside a checkpoint, as text: this project's files, exported folders, published files. Reads, changes
nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genieredux.compat.published_file import PublishedFile, is_foreign, open_published
from genieredux.models.checkpoint import CheckpointData, Section, load_model
from genieredux.models.folder import CONFIG, is_folder, read_config

_SHOWN_NAMES = 24
_MISSING = {
    "tokenizer": "its tokenizer: import with tokenizer=FILE",
    "action_embeddings": "its action embeddings, which the older published code never saves",
}


def describe(path: str | Path) -> str:
    """A few lines on a checkpoint, an exported folder or a published file. Raises UserError if it is none."""
    path = Path(path)
    if is_folder(path):
        return _folder(path)
    if is_foreign(path):
        return _published(open_published(path))
    return _ours(load_model(path))


def _ours(data: CheckpointData) -> str:
    lines = [f"{data.path}  ({_bytes(data.path)})"]
    lines += _rows({"kind": data.kind, "step": data.step, "stored as": data.precision})
    lines += _rows({"written by": f"genieredux {data.genieredux_version}, format {data.format_version}"})
    lines += _rows(data.metadata)
    for name, section in {"": data.model, **data.sections}.items():
        lines += _section(name, section)
    return "\n".join(lines)


def _section(name: str, section: Section) -> list[str]:
    title = f"\n{name or section.kind}: {_count(section.state_dict)}"
    lines = [title if not section.fingerprint else f"{title}, fingerprint {section.fingerprint[:16]}"]
    return lines + _rows(section.config)


def _folder(path: Path) -> str:
    config = read_config(path)
    lines = [f"{path}  (folder, {CONFIG} format {config['format_version']})"]
    lines += _rows({"kind": config["kind"], "step": config["step"], "parameters": f"{config['parameters']:,}"})
    lines += _rows(config["metadata"])
    for name, held in config["models"].items():
        lines += [f"\n{held['kind'] if name == 'model' else name}", *_rows(held["config"])]
    return "\n".join(lines)


def _published(file: PublishedFile) -> str:
    lines = [f"{file.path}  ({_bytes(file.path)}), a published file", *_rows({"step": file.step})]
    for name, state in file.models.items():
        lines += _rows({name: _count(state)})
    if file.action_embeddings is not None:
        named = f" ({', '.join(file.action_names)})" if file.action_names else ""
        lines += _rows({"action_embeddings": f"{tuple(file.action_embeddings.shape)}{named}"})
    if file.left_out:
        lines += _rows({"beside them": ", ".join(file.left_out)})
    if "dynamics" in file.models and "tokenizer" not in file.models:
        lines += _rows({"lacks": _MISSING["tokenizer"]})
    if file.lacks_action_embeddings:
        lines += _rows({"lacks": _MISSING["action_embeddings"]})
    return "\n".join(lines)


def _rows(values: Mapping[str, Any]) -> list[str]:
    return [f"  {key:18} {_value(value)}" for key, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        shown = ", ".join(value[:_SHOWN_NAMES])
        return shown + (f", ... ({len(value)})" if len(value) > _SHOWN_NAMES else "")
    text = str(value)
    return text if len(text) <= 200 else text[:200] + "..."


def _count(state: Mapping[str, Tensor]) -> str:
    return f"{sum(tensor.numel() for tensor in state.values()):,} values in {len(state)} tensors"


def _bytes(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
