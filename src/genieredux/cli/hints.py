"""What makes a thing that is missing: the line of `generate` for a data set, that of `genie_redux train` for a
tokenizer. Knows the packaged configurations and the user's own; opens nothing else.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genieredux.cli import plain_yaml
from genieredux.cli.compose import SEARCHED, configurations, packaged
from genieredux.cli.declared import schema_of
from genieredux.errors import UserError


def check_dataset(root: str, name: str) -> None:
    """Raises UserError, with the line that makes it, where a data set's folder is not there."""
    path = Path(root) / name
    if "://" in root or path.exists():
        return
    makers = [config for config, values in _packaged("generate") if _dataset_of(values.get("connector") or {}) == name]
    lines = " or ".join(f"genieredux generate config={config}" for config in makers[:3])
    other = "genieredux generate, data convert or data import-videos make data sets"
    raise UserError(f"{path}: no data set here; " + (f"to make it: {lines}" if makers else other))


def check_tokenizer(path: str | None) -> None:
    """Raises UserError, with the line that trains one, where a tokenizer's file is not there or not named."""
    if path is not None and (Path(path).exists() or any(Path(path).parent.glob("*.pt"))):
        return  # whoever opens it names the nearest
    line = f"genieredux genie_redux train config={_tokenizer_of(path)}"
    if path is None:
        raise UserError(f"tokenizer_fpath is not set; give a trained tokenizer's file, or train one first: {line}")
    raise UserError(f"there is no tokenizer at {path}; train one first: {line}, or give the file of yours")


def _dataset_of(connector: dict[str, Any]) -> str:
    """The name of the data set that a connector makes."""
    default = {item.key: item.default for item in schema_of("genieredux.collect.config:ConnectorConfig").fields()}
    name, version = (str(connector.get(key) or default[key]) for key in ("name", "version"))
    return f"{name}_v{version}" + (f"_{connector['dname']}" if connector.get("dname") else "")


def _tokenizer_of(path: str | None) -> str:
    """The configuration that trains the tokenizer of a path `.../<run name>/model-<step>.pt`."""
    run = Path(path).parent.name if path else ""
    for config, values in _packaged("genie_redux"):
        if values.get("model") == "tokenizer" and values.get("run_name") == run:
            return config
    return "tokenizer"


def _packaged(verb: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every configuration of a verb that can be read, by name."""
    for name in configurations(verb):
        own = SEARCHED / verb / "config" / f"{name}.yaml"
        try:
            yield name, plain_yaml.load(own if own.is_file() else packaged(verb) / "config" / f"{name}.yaml")
        except UserError:  # one of the user's own, which was not asked for
            continue
