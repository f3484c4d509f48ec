"""The numbers of the page beside it: JSON, and CSV in long format. They compute no new number."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genieredux.evaluation.results import json_safe
from genieredux.evaluation.tables import lines_of_set
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.paired import Paired
from genieredux.report.worlds.values import headline, metrics_of

COLUMNS = ("run", "set", "metric", "row", "horizon", "value", "low", "high", "n")


def to_json(runs: Sequence[Run], paired: Sequence[Paired], traps: Sequence[str]) -> dict[str, Any]:
    """runs: [{name, folder, model, dataset, protocol, sampling, precision}]; about: the metrics; averages: the one
    number of each metric, run -> set -> metric -> row; sets: run -> set -> what results.json has; differences: what
    paired.Paired has; traps.
    """
    plain = {
        "runs": [
            {
                "name": run.name,
                "folder": str(run.folder),
                "model": run.made("model"),
                "dataset": run.made("dataset"),
                "protocol": run.made("config"),
                "sampling": run.made("sampling"),
                "precision": run.results.made_by.get("precision"),
            }
            for run in runs
        ],
        "about": {name: about.to_json() for name, about in metrics_of(runs).items()},
        "averages": {run.name: {name: _averages(run, name) for name in run.sets} for run in runs},
        "sets": {run.name: {name: of_set.plain for name, of_set in run.sets.items()} for run in runs},
        "baseline": paired[0].baseline.name if paired else None,
        "differences": [one.to_json() for one in paired],
        "traps": list(traps),
    }
    safe = json_safe(plain)
    assert isinstance(safe, dict)
    return safe


def lines(runs: Sequence[Run], paired: Sequence[Paired]) -> Iterator[tuple[Any, ...]]:
    """Long format, COLUMNS. horizon: a frame number, `mean` over all, or `pooled`; n: clips. Differences have
    `A minus B` for run, metrics of long dreams `drift.` before their names.
    """
    for run in runs:
        about = {name: one.to_json() for name, one in run.about.items()}
        for name, of_set in run.sets.items():
            for metric, row, horizon, *estimate in lines_of_set(of_set.plain, about):
                if horizon == "mean":
                    one = headline(run, name, run.about[metric], row) if _is_average(run, metric) else None
                    estimate = [one.mean, one.low, one.high] if one else estimate
                yield run.name, name, metric, row, horizon, *estimate, of_set.clips
            if of_set.drift:
                for metric, row, horizon, *estimate in lines_of_set(of_set.plain["drift"], about):
                    yield run.name, name, f"drift.{metric}", row, horizon, *estimate, of_set.drift.clips
    yield from _differences(paired)


def _is_average(run: Run, metric: str) -> bool:
    return run.about[metric].at == "average"


def _averages(run: Run, name: str) -> dict[str, dict[str, Any]]:
    of_set = run.sets[name]
    rows: dict[str, Mapping[str, Any]] = {**of_set.metrics, **{key: one.rows for key, one in of_set.pooled.items()}}
    return {
        metric: {row: vars(headline(run, name, about, row)) for row in rows[metric]}
        for metric, about in run.about.items()
        if metric in rows
    }


def _differences(paired: Sequence[Paired]) -> Iterator[tuple[Any, ...]]:
    for one in paired:
        label = f"{one.run.name} minus {one.baseline.name}"
        about = metrics_of([one.baseline, one.run])
        for name, found in one.by_set.items():
            for metric, rows in found.differences.items():
                if metric not in about or about[metric].better is None:
                    continue
                for row, difference in rows.items():
                    by, mean = difference.by_horizon, difference.average
                    for t, estimate in enumerate(zip(by.mean.tolist(), by.low.tolist(), by.high.tolist(), strict=True)):
                        if estimate[0] == estimate[0]:
                            yield label, name, metric, row, t + 1, *estimate, found.clips
                    average = (float(mean.mean), float(mean.low), float(mean.high))
                    yield label, name, metric, row, "mean", *average, found.clips
