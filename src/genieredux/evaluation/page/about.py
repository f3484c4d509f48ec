"""What made the runs: weights, data, settings, machines; and in which of these they differ."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from omegaconf import OmegaConf

from genieredux.evaluation.page.curves import tone_of
from genieredux.evaluation.page.run import Run
from genieredux.pictures import charts

_NOT_SETTINGS = ("environment", "seconds", "config", "networks", "model", "dataset", "action_names", "page")


def runs_list(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A line for each run: its colour, weights, data and folder."""
    found = []
    for place, run in enumerate(runs):
        model, data = run.made_by.get("model") or {}, run.made_by.get("dataset") or {}
        step = f", step {model['step']:,}" if model.get("step") else ""
        checksum = f" ({data['checksum'][:12]})" if data.get("checksum") else ""
        weights = f"{model['file']} ({model.get('kind', 'model')}{step})" if model.get("file") else "–"
        name = f"{data['name']}{checksum}" if data.get("name") else "–"
        found.append(
            {"name": run.name, "tone": tone_of(place), "weights": weights, "data": name, "folder": str(run.folder)}
        )
    return found


def settings(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """`differ` and `same`: settings by dotted name, {name, values} with a value for each run."""
    return _compared([_settings(run) for run in runs])


def machines(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """`differ` and `same`: versions, hardware, commit and command."""
    return _compared([dict(machine(run)) for run in runs])


def machine(run: Run) -> list[tuple[str, str]]:
    """Versions, hardware and commit of one run, as (name, value)."""
    found: list[tuple[str, str]] = []
    for key, value in (run.made_by.get("environment") or {}).items():
        if isinstance(value, Mapping):
            found += [(str(inner), _plain(item)) for inner, item in value.items()]
        elif value is not None and key != "command":
            found.append((str(key), _plain(value)))
    return found


def commands(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """(what it does, shell line): what runs say themselves, else how each was evaluated."""
    found = []
    for run in runs:
        mark = f"{run.name}: " if len(runs) > 1 else ""
        said = [(mark + what, line) for what, line in run.page.get("commands") or ()]
        line = (run.made_by.get("environment") or {}).get("command")
        found += said or ([(f"{mark}evaluate again", " ".join(map(_quoted, line)))] if line else [])
    return found


def seconds(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Bars of the stages of each run, and their sum."""
    found = []
    for run in runs:
        by_stage = {name: float(value) for name, value in (run.made_by.get("seconds") or {}).items()}
        if by_stage:
            total = sum(by_stage.values())
            readable = f"{total:.0f} s" if total < 120 else f"{total / 60:.1f} min"
            name = run.name if len(runs) > 1 else ""
            found.append({"name": name, "bars": Markup(charts.bars(by_stage, "{:,.1f} s".format)), "total": readable})
    return found


def protocol_text(run: Run) -> str:
    """The settings of the evaluation, a line each."""
    return "\n".join(
        f"{name}: {_plain(value)}" for name, value in run.protocol.items() if not isinstance(value, Mapping)
    )


def config_text(run: Run) -> str:
    """All that made a run, but its machine, as YAML."""
    kept = {key: value for key, value in run.made_by.items() if key not in ("environment", "seconds")}
    plain = json.loads(json.dumps(kept, default=str))
    return OmegaConf.to_yaml(OmegaConf.create(plain)).strip()


def _settings(run: Run) -> dict[str, str]:
    made = run.made_by
    parts = {key: value for key, value in made.items() if key not in _NOT_SETTINGS}
    named = {key: made.get(key) or {} for key in ("model", "dataset")}
    return _flat({**named, **(made.get("config") or {}), **parts})


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = _plain(value)
    return found


def _compared(tables: Sequence[Mapping[str, str]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"differ": [], "same": []}
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [table.get(name, "–") for table in tables]
        found["differ" if len(set(values)) > 1 else "same"].append({"name": name, "values": values})
    return found


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value) or "none"
    return "null" if value is None else str(value)


def _quoted(word: Any) -> str:
    text = str(word)
    return f"'{text}'" if any(mark in text for mark in " []{}*?$&|;<>()") else text
