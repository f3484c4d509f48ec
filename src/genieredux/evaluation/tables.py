"""results.csv: every mean of results.json on a line of its own, for spreadsheets. It computes nothing.

Columns: set, kind and part (of the breakdown; `all` for the whole test set), metric, row, horizon (a frame number,
`mean` over all horizons, or `pooled`), clips, episodes, mean, low, high.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from genieredux.evaluation.upgrade import upgrade
from genieredux.runs.files import write_text

COLUMNS = ("set", "kind", "part", "metric", "row", "horizon", "clips", "episodes", "mean", "low", "high")
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ESTIMATE = ("mean", "low", "high")


def write_csv(path: Path, results: Mapping[str, Any]) -> Path:
    """results: what is in results.json (docs/metrics.md). Whole or not at all."""
    plain = upgrade(results)
    about, sets = plain["about"], {key: plain[key] for key in plain if key not in ("version", "about", "made_by")}
    return write_text(path, to_csv(COLUMNS, _lines(sets, about)))


def to_csv(columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A table for spreadsheets: texts that one would take for a formula begin with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in line] for line in (columns, *lines))
    return text.getvalue()


def lines_of_set(plain: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """(metric, row, horizon, mean, low, high) of all that was measured on a test set, or in its long dreams."""
    for metric, described in about.items():
        if metric not in plain:
            continue
        if described["pooled"]:
            for row, by in plain[metric]["rows"].items():
                yield metric, row, "pooled", by["all"], None, None
                for t, mean in enumerate(by.get("by_horizon") or []):
                    yield metric, row, t + 1, mean, None, None
            continue
        for row, by in plain[metric].items():
            for t, estimate in enumerate(zip(*(by[key] for key in _ESTIMATE), strict=True)):
                if estimate[0] is not None:
                    yield metric, row, t + 1, *estimate
            yield metric, row, "mean", *(by["average"][key] for key in _ESTIMATE)


def _lines(sets: Mapping[str, Any], about: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name, plain in sets.items():
        for metric, row, horizon, *estimate in lines_of_set(plain, about):
            yield name, "all", "all", metric, row, horizon, plain["clips"], plain["episodes"], *estimate
        for kind, parts in plain.get("breakdown", {}).items():
            for part, values in parts.items():
                for metric in (key for key in about if key in values):
                    horizon = plain.get("compare_at") if about[metric]["at"] == "compare_at" else "mean"
                    for row, one in values[metric].items():
                        estimate = [one[key] for key in _ESTIMATE]
                        yield name, kind, part, metric, row, horizon, values["clips"], values["episodes"], *estimate


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_STARTS_A_FORMULA) else value
    return f"{value:.6g}" if isinstance(value, float) else value
