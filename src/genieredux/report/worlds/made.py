"""What made the runs: weights, data, settings, machines; and in which of these they differ."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from genieredux.pictures import charts
from genieredux.report.html import finite, to_yaml
from genieredux.report.worlds.curves import tone_of
from genieredux.report.worlds.folder import Run

_NOT_SETTINGS = ("environment", "seconds", "config", "metrics", "action_names", "page")


def runs_list(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """A line for each run: its colour, weights, data and folder."""
    found = []
    for place, run in enumerate(runs):
        step, checksum = run.made("model").get("step"), run.word("dataset", "checksum")
        kind = run.word("model", "kind") or "model"
        weights = f"{run.word('model', 'file')} ({kind}{f', step {step:,}' if finite(step) and step else ''})"
        data = f"{run.word('dataset', 'name')}{f' ({checksum[:12]})' if checksum else ''}"
        found.append(
            {
                "name": run.name,
                "tone": tone_of(place),
                "weights": weights if run.word("model", "file") else "–",
                "data": data or "–",
            }
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
    for key, value in run.made("environment").items():
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
        command = run.made("environment").get("command")
        line = shlex.join(map(str, command)) if isinstance(command, list) else ""
        found += [(mark + what, words) for what, words in run.words.commands] or (
            [(f"{mark}evaluate again", line)] if line else []
        )
    return found


def seconds(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Bars of the stages of each run, and their sum."""
    found = []
    for run in runs:
        by_stage = {str(name): float(value) for name, value in run.made("seconds").items() if finite(value)}
        if by_stage:
            total = sum(by_stage.values())
            readable = f"{total:.0f} s" if total < 120 else f"{total / 60:.1f} min"
            bars = Markup(charts.bars(by_stage, "{:,.1f} s".format))
            found.append({"name": run.name if len(runs) > 1 else "", "bars": bars, "total": readable})
    return found


def protocol_text(run: Run) -> str:
    """The settings of the evaluation, a line each, and how the world drew its tokens by them."""
    plain = {name: value for name, value in run.made("config").items() if not isinstance(value, Mapping)}
    plain |= {f"sampling.{name}": value for name, value in run.made("sampling").items()}
    return "\n".join(f"{name}: {_plain(value)}" for name, value in plain.items())


def config_text(run: Run) -> str:
    """All that made a run, but its machine, as YAML."""
    written = run.results.as_written
    return to_yaml({key: value for key, value in written.items() if key not in ("environment", "seconds")})


def _settings(run: Run) -> dict[str, str]:
    rest = {key: value for key, value in run.results.made_by.items() if key not in _NOT_SETTINGS}
    return _flat({**run.made("config"), **rest})


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
