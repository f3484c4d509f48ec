"""The numbers of the page beside it: JSON, and CSV in long format. They compute no new number."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genieredux.evaluation.page.paired import Paired
from genieredux.evaluation.page.run import Run
from genieredux.evaluation.page.values import average, metric_of, metrics_of
from genieredux.evaluation.results import json_safe
from genieredux.evaluation.tables import lines_of_set

COLUMNS = ("run", "set", "metric", "row", "horizon", "value", "low", "high", "n")


def to_json(runs: Sequence[Run], paired: Sequence[Paired], traps: Sequence[str]) -> dict[str, Any]:
    """runs: [{name, folder, model, dataset, protocol, sampling, precision}]; averages: run -> set -> metric -> row ->
    estimate over all horizons; sets: run -> set -> what results.json has; differences: what paired.Paired has; traps.
    """
    plain = {
        "runs": [
            {
                "name": run.name,
                "folder": str(run.folder),
                "model": run.made_by.get("model"),
                "dataset": run.made_by.get("dataset"),
                "protocol": dict(run.protocol),
                "sampling": dict(run.sampling),
                "precision": run.made_by.get("precision"),
            }
            for run in runs
        ],
        "averages": {run.name: {name: _averages(run, name) for name in run.sets} for run in runs},
        "sets": {run.name: dict(run.sets) for run in runs},
        "baseline": paired[0].baseline.name if paired else None,
        "differences": [one.to_json() for one in paired],
        "traps": list(traps),
    }
    safe = json_safe(plain)
    assert isinstance(safe, dict)
    return safe


def to_csv(runs: Sequence[Run], paired: Sequence[Paired]) -> str:
    """Long format, COLUMNS. horizon: a frame number, `mean` over all, or `pooled`; n: clips. Differences have
    `A minus B` for run.
    """
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for run in runs:
        for name, found in run.sets.items():
            for metric, row, horizon, *estimate in lines_of_set(found):
                lines.writerow([run.name, name, metric, row, horizon, *map(_cell, estimate), found["clips"]])
            for metric, row, horizon, *estimate in _of_drift(found):
                lines.writerow([run.name, name, metric, row, horizon, *map(_cell, estimate), found["drift"]["clips"]])
            for metric, rows in _averages(run, name).items():
                for row, one in rows.items():
                    cells = [_cell(one[key]) for key in ("mean", "low", "high")]
                    lines.writerow([run.name, name, metric, row, "mean", *cells, found["clips"]])
    for cells in _differences(paired):
        lines.writerow(cells)
    return text.getvalue()


def _of_drift(found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """(metric, row, horizon, mean, low, high) of the long dreams."""
    drift = found.get("drift") or {}
    for metric in ("psnr", "ssim", "sharpness", "entropy", "gain"):
        for row, by in drift.get(metric, {}).items():
            for t, estimate in enumerate(zip(by["mean"], by["low"], by["high"], strict=True)):
                yield f"drift.{metric}", row, t + 1, *estimate


def _averages(run: Run, name: str) -> dict[str, dict[str, Any]]:
    found = run.sets[name]
    names = metrics_of([run], name)
    rows = {metric: found[metric] if metric in ("psnr", "ssim") else found["metrics"][metric] for metric in names}
    return {metric: {row: average(run, name, metric, row) for row in of} for metric, of in rows.items()}


def _differences(paired: Sequence[Paired]) -> Iterator[list[Any]]:
    for one in paired:
        label = f"{one.run.name} minus {one.baseline.name}"
        for name, found in one.by_set.items():
            for metric, rows in found.differences.items():
                if not metric_of(metric).better:
                    continue
                for row, difference in rows.items():
                    by, mean = difference.by_horizon, difference.average
                    for t, estimate in enumerate(zip(by.mean, by.low, by.high, strict=True)):
                        if estimate[0] == estimate[0]:
                            yield [label, name, metric, row, t + 1, *map(_cell, estimate), found.clips]
                    yield [label, name, metric, row, "mean", *map(_cell, (mean.mean, mean.low, mean.high)), found.clips]


def _cell(value: Any) -> str:
    return "" if value is None or float(value) != float(value) else f"{float(value):.6g}"
