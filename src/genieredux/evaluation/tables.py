"""results.csv: every mean of results.json on a line of its own, for spreadsheets. It computes nothing.

Columns: set, kind and part (of the breakdown; `all` for the whole test set), metric, row, horizon (a frame number,
`mean` over all horizons, or `pooled`), clips, episodes, mean, low, high.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genieredux.runs.files import write_bytes

COLUMNS = ("set", "kind", "part", "metric", "row", "horizon", "clips", "episodes", "mean", "low", "high")
_NOT_MEANS = ("clips", "frames", "episodes")


def write_csv(path: Path, sets: Mapping[str, Mapping[str, Any]]) -> Path:
    """sets: `Evaluation.to_json()`. Whole or not at all."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for name, found in sets.items():
        size = (found["clips"], found["episodes"])
        for metric, row, horizon, *estimate in lines_of_set(found):
            lines.writerow([name, "all", "all", metric, row, horizon, *size, *map(_cell, estimate)])
        for kind, parts in found["breakdown"].items():
            for part, values in parts.items():
                about = [name, kind, part]
                for metric, rows in values.items():
                    if metric in _NOT_MEANS:
                        continue
                    horizon = found.get("compare_at") if metric == "delta_psnr" else "mean"
                    for row, one in rows.items():
                        cells = (_cell(one[key]) for key in ("mean", "low", "high"))
                        lines.writerow([*about, metric, row, horizon, values["clips"], values["episodes"], *cells])
    content = text.getvalue().encode()
    return write_bytes(path, content)


def lines_of_set(found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """(metric, row, horizon, mean, low, high) of a whole test set."""
    for metric in ("psnr", "ssim"):
        for row, means in found[metric].items():
            bounds = found[f"{metric}_interval"][row]
            for t, (mean, low, high) in enumerate(zip(means, bounds["low"], bounds["high"], strict=True)):
                yield metric, row, t + 1, mean, low, high
    for row, by in found.get("gain", {}).items():
        yield from _by_horizon("gain", row, by)
        yield "gain", row, "mean", *(by["average"][key] for key in ("mean", "low", "high"))
    for row, by in found.get("delta_psnr_by_horizon", {}).items():
        for t, *estimate in zip(by["horizon"], by["mean"], by["low"], by["high"], strict=True):
            yield "delta_psnr", row, t, *estimate
    for metric, rows in found.get("metrics", {}).items():
        for row, by in rows.items():
            yield from _by_horizon(metric, row, by)
    for metric, of_metric in found.get("frechet", {}).items():
        for row, by in of_metric["rows"].items():
            yield metric, row, "pooled", by["all"], None, None
            for t, mean in enumerate(by.get("by_horizon", [])):
                yield metric, row, t + 1, mean, None, None


def _by_horizon(metric: str, row: str, by: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for t, estimate in enumerate(zip(by["mean"], by["low"], by["high"], strict=True)):
        yield metric, row, t + 1, *estimate


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
