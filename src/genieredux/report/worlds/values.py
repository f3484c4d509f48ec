"""Numbers of runs as tables ask for them, and the words for rows and metrics. Estimates are `results.Estimate`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.evaluation.about import About
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.rows import GENIE, LAST_ACTION, MODEL, REPEAT_LAST, TOKENIZER_ONLY
from genieredux.report.html import finite
from genieredux.report.worlds.folder import WORLD, Run
from genieredux.report.worlds.results import Estimate, TestSet

ROW_NAMES = {
    MODEL: "Latent action model",
    REPEAT_LAST: "Repeat the last frame",
    TOKENIZER_ONLY: "Truth redrawn",
    "truth": "True frames",
    "random_actions": "Dream under random actions",
    "other_code": "Another code",
    "repeat_previous": "Repeat the frame before",
    "random_frame": "Random frame",
    GENIE: "All actions random",
    LAST_ACTION: "Only the last action different",
}
MADE_BY_NOBODY = (REPEAT_LAST, "truth", "random_frame", "repeat_previous")
"""Rows that are the same whatever was measured."""
_MOST_RESAMPLES = 100_000
_ORDER = (MODEL, TOKENIZER_ONLY, REPEAT_LAST)


@dataclass(frozen=True)
class Column:
    """Of a table with a row per drawn row: a metric, and of a signed one which of its own rows (against what)."""

    about: About
    row: str
    label: str


def label(about: About) -> str:
    """Its name with its unit."""
    return about.label + (f", {about.unit}" if about.unit else "")


def row_name(row: str, kind: str = WORLD) -> str:
    """A row in words; its own name where there are none. kind: of the run, which its own row is called by."""
    return "World model" if row == MODEL and kind == WORLD else ROW_NAMES.get(row, row)


def row_of(run: Run, row: str, single: bool) -> str:
    """A row of a run among several."""
    words = row_name(row, run.kind)
    if single or row in MADE_BY_NOBODY:
        return words
    return run.name if row == MODEL else f"{run.name}: {words[0].lower()}{words[1:]}"


def metrics_of(runs: Sequence[Run]) -> dict[str, About]:
    """The metrics of all runs in the order of the first that has them, and as that one describes them."""
    found: dict[str, About] = {}
    for run in runs:
        found |= {name: about for name, about in run.about.items() if name not in found}
    return found


def measured(runs: Sequence[Run], set_name: str) -> dict[str, About]:
    """Those by horizon that any run has on a test set."""
    here = [run.sets[set_name] for run in with_set(runs, set_name)]
    return {name: one for name, one in metrics_of(runs).items() if any(name in of.metrics for of in here)}


def columns(runs: Sequence[Run], set_name: str) -> list[Column]:
    """All metrics of a test set: one column each, of signed ones one for each of their rows."""
    here = [run.sets[set_name] for run in with_set(runs, set_name)]
    found = []
    for name, about in metrics_of(runs).items():
        rows = list(dict.fromkeys(row for of in here for row in of.metrics.get(name, {})))
        when = f", t = {_compare_at(here)}" if about.at == "compare_at" else ""
        if about.signed:
            several = len(rows) > 1
            found += [
                Column(about, row, label(about) + when + (f", {row_name(row).lower()}" if several else ""))
                for row in rows
            ]
        elif rows or any(name in of.pooled for of in here):
            found.append(Column(about, "", label(about) + when))
    return found


def cell(run: Run, set_name: str, column: Column, row: str) -> Estimate:
    """What stands in a column beside a row; a signed metric stands beside the model's own."""
    if not column.row:
        return headline(run, set_name, column.about, row)
    own = row == run.sets[set_name].main
    return headline(run, set_name, column.about, column.row) if own else Estimate(None)


def headline(run: Run, set_name: str, about: About, row: str) -> Estimate:
    """The one number of a metric and row: its mean over the horizons, or its value at the compared one.

    Where a file of before has no interval of the mean, it is made from the numbers of the clips.
    """
    of_set = run.sets[set_name]
    if about.pooled:
        pooled = of_set.pooled.get(about.name)
        return Estimate(pooled.rows[row].all) if pooled and row in pooled.rows else Estimate(None)
    by = of_set.metrics.get(about.name, {}).get(row)
    if by is None:
        return Estimate(None)
    if about.at == "compare_at":
        return by.at(of_set.compare_at or 0)
    if by.average.low is None and about.relative_to is None and set_name in run.numbers:
        return _resampled(run, set_name, about.name, row) or by.average
    return by.average


def bootstrap_settings(run: Run) -> tuple[int, float, int]:
    """(resamples, interval, seed) of the evaluation; the usual ones where it says none that can be."""
    config = run.made("config")
    resamples, level, seed = (config.get(key) for key in ("resamples", "interval", "seed"))
    return (
        resamples if isinstance(resamples, int) and 0 < resamples <= _MOST_RESAMPLES else 2000,
        level if isinstance(level, float) and 0 < level < 1 else 0.95,
        seed if isinstance(seed, int) and 0 <= seed < 2**63 else 0,
    )


def rows_in_order(runs: Sequence[Run], set_name: str) -> list[str]:
    """The drawn rows of all metrics that are no differences, the model's first."""
    names: dict[str, None] = {}
    for run in with_set(runs, set_name):
        of_set = run.sets[set_name]
        for name, rows in of_set.metrics.items():
            names |= dict.fromkeys(() if run.about[name].signed else rows)
        for pooled in of_set.pooled.values():
            names |= dict.fromkeys(pooled.rows)
    return sorted(names, key=lambda row: _ORDER.index(row) if row in _ORDER else len(_ORDER))


def set_names(runs: Sequence[Run]) -> list[str]:
    """Of all runs, in the order they come."""
    return list(dict.fromkeys(name for run in runs for name in run.sets))


def with_set(runs: Sequence[Run], set_name: str) -> list[Run]:
    """Those that were measured on it."""
    return [run for run in runs if set_name in run.sets]


def _compare_at(sets: Sequence[TestSet]) -> str:
    horizons = dict.fromkeys(str(of_set.compare_at) for of_set in sets if of_set.compare_at)
    return " / ".join(horizons) or "–"


def _resampled(run: Run, set_name: str, metric: str, row: str) -> Estimate | None:
    numbers = run.numbers[set_name]
    values = numbers.values.get(metric, {}).get(row)
    if values is None:
        return None
    known = np.isfinite(values)
    bootstrap = EpisodeBootstrap(numbers.episodes, *bootstrap_settings(run))
    plain = bootstrap.ratio(np.where(known, values, 0).sum(1), known.sum(1)).to_json()
    return Estimate(*(float(np.asarray(plain[key])) if finite(plain[key]) else None for key in ("mean", "low", "high")))
