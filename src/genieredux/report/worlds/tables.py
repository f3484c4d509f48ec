"""Tables of the page, as rows of estimates that the template lays out. Which metrics there are, the runs say."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from genieredux.evaluation.about import About
from genieredux.evaluation.rows import GENIE, LAST_ACTION, MODEL, REPEAT_LAST, TOKENIZER_ONLY
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.paired import Paired
from genieredux.report.worlds.results import Estimate
from genieredux.report.worlds.values import (
    MADE_BY_NOBODY,
    Column,
    cell,
    columns,
    headline,
    measured,
    metrics_of,
    row_name,
    row_of,
    rows_in_order,
    set_names,
    with_set,
)

TILES = (
    ("gain", REPEAT_LAST, "over repeating the last frame", True),
    ("delta_psnr", GENIE, "thanks to the true actions", True),
    ("psnr", TOKENIZER_ONLY, "reconstruction, the ceiling", False),
)
"""The choice of a page's headline: metric, row, words, and whether every test set is shown or the first alone."""


@dataclass(frozen=True)
class Row:
    """Of a table. cells: estimates, one for each column; ours: the model's own row; more: further words, in order."""

    name: str
    cells: list[Estimate]
    ours: bool = False
    more: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Table:
    """heads: (label, metric) of each column of estimates."""

    name: str
    heads: list[tuple[str, About]]
    rows: list[Row]
    sizes: str = ""
    note: str = ""


@dataclass(frozen=True)
class Group:
    """The rows of one metric by horizon."""

    about: About
    rows: list[Row]


@dataclass(frozen=True)
class Horizons:
    """One test set by horizon. capped: (row, frames that were exact, at what value they count)."""

    name: str
    count: int
    groups: list[Group]
    sizes: str
    note: str
    capped: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """One line of the paired comparison."""

    run: str
    about: About
    row: str
    where: str
    estimate: Estimate
    clips: int
    ours: bool

    @property
    def verdict(self) -> str:
        """In a word; empty where there is no interval."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None:
            return ""
        if low <= 0 <= high:
            return "no clear difference"
        return "better" if (low > 0) == (self.about.better == "higher") else "worse"


def tiles(run: Run) -> list[dict[str, Any]]:
    """The head of a page of one run: {about, estimate, label, note}."""
    found = []
    for metric, row, words, every in TILES:
        for name, of_set in list(run.sets.items())[: None if every else 1]:
            if metric not in of_set.metrics or row not in of_set.metrics[metric]:
                continue
            about = run.about[metric]
            if about.at == "compare_at":
                note = f"{name}, {about.label} at t = {of_set.compare_at}"
            else:
                note = f"{name}, mean of horizons 1–{of_set.horizon}" if every else f"{name}, {row_name(row).lower()}"
            estimate = headline(run, name, about, row)
            found.append({"about": about, "estimate": estimate, "label": words, "note": note})
    return found


def at_a_glance(runs: Sequence[Run]) -> list[Table]:
    """For each test set, a row per run and drawn row, a column per metric; what agrees between runs stands once."""
    found = []
    for name in set_names(runs):
        here = with_set(runs, name)
        heads = columns(runs, name)
        order = [(run, run.sets[name].main) for run in here]
        others = [(run, row) for row in rows_in_order(here, name) for run in here]
        rows: list[Row] = []
        stands: dict[str, list[Row]] = {}
        for run, row in [*order, *(pair for pair in others if pair not in order)]:
            line = Row(
                row_of(run, row, len(runs) == 1),
                [cell(run, name, column, row) for column in heads],
                row == run.sets[name].main,
            )
            same = next((other for other in stands.setdefault(row, []) if _agree(other, line)), None)
            if same is not None and not line.ours:
                if not same.ours:
                    pairs = zip(same.cells, line.cells, strict=True)
                    same.cells[:] = [more if one.mean is None else one for one, more in pairs]
            elif any(one.mean is not None for one in line.cells):
                stands[row].append(line)
                rows.append(line)
        found.append(_without_empty(name, heads, rows, sizes(here, name), set_note(here, name)))
    return found


def horizons(runs: Sequence[Run]) -> list[Horizons]:
    """For each test set, every metric of every row by horizon; what agrees between runs stands once."""
    found = []
    for name in set_names(runs):
        here = with_set(runs, name)
        groups = [Group(about, list(_by_horizon(here, name, about))) for about in measured(runs, name).values()]
        count = max(run.sets[name].horizon for run in here)
        capped = {
            row_of(run, row, len(runs) == 1): frames
            for run in reversed(here)
            for row, frames in run.sets[name].capped_frames.items()
            if frames
        }
        of_set = Horizons(name, count, groups, sizes(here, name), set_note(here, name), list(capped.items()))
        found.append(of_set)
    return found


def control(runs: Sequence[Run]) -> list[Row]:
    """What other actions cost at the compared horizon, by test set, run and definition: `more` is (metric, horizon)."""
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            of_set = run.sets[name]
            owner = name if len(runs) == 1 else f"{name}, {run.name}"
            for metric, about in run.about.items():
                for row in of_set.metrics.get(metric, {}) if about.at == "compare_at" else ():
                    estimate = headline(run, name, about, row)
                    more = (about, row_name(row), of_set.compare_at)
                    found.append(Row(owner, [estimate], row not in (LAST_ACTION,), more))
    return found


def differences(paired: Sequence[Paired]) -> dict[str, list[Difference]]:
    """For each test set: by what each run is better than the baseline, in every metric that has a direction."""
    found: dict[str, list[Difference]] = {}
    for one in paired:
        about_of = metrics_of([one.baseline, one.run])
        for name, comparison in one.by_set.items():
            for metric, rows in comparison.differences.items():
                about = about_of.get(metric)
                for row, difference in rows.items():
                    if about is None or about.better is None or row in MADE_BY_NOBODY:
                        continue
                    at = one.baseline.sets[name].compare_at if about.at == "compare_at" else None
                    by = difference.by_horizon.at(at - 1) if at else difference.average
                    estimate = Estimate(*(_plain(value) for value in (by.mean, by.low, by.high)))
                    where = f"t = {at}" if at else "mean of horizons"
                    ours = row in (MODEL, GENIE)
                    words = row_name(row, one.run.kind)
                    line = Difference(one.run.name, about, words, where, estimate, comparison.clips, ours)
                    found.setdefault(name, []).append(line)
    return found


def pooled(runs: Sequence[Run]) -> list[Table]:
    """Distances between sets, for each metric a table: a row per test set and run; `more` is (floor, samples)."""
    found = []
    for metric, about in metrics_of(runs).items():
        here = [
            (name, run, run.sets[name].pooled[metric])
            for name in set_names(runs)
            for run in with_set(runs, name)
            if run.sets[name].pooled.get(metric) and run.sets[name].pooled[metric].rows
        ]
        names = list(dict.fromkeys(row for _, _, one in here for row in one.rows))
        rows = [
            Row(
                name if len(runs) == 1 else f"{name}, {run.name}",
                [Estimate(one.rows[row].all) if row in one.rows else Estimate(None) for row in names],
                more=(one.floor, one.samples),
            )
            for name, run, one in here
        ]
        if rows:
            found.append(Table(metric, [(row_name(row, here[0][1].kind), about) for row in names], rows))
    return found


def breakdown(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set its tables {name, tables}, one for each kind of part: `more` is (run, sizes)."""
    found = []
    for name in set_names(runs):
        here = with_set(runs, name)
        kinds = dict.fromkeys(kind for run in here for kind in run.sets[name].breakdown)
        if kinds:
            found.append({"name": name, "tables": [_parts(here, name, kind) for kind in kinds]})
    return found


def sizes(here: Sequence[Run], name: str) -> str:
    """Clips and episodes of a test set, once where runs agree."""
    found = dict.fromkeys(f"{run.sets[name].clips} clips of {run.sets[name].episodes} episodes" for run in here)
    return " / ".join(found)


def set_note(runs: Sequence[Run], name: str) -> str:
    """What runs say of a test set."""
    return " / ".join(dict.fromkeys(note for run in runs if (note := run.words.set_notes.get(name, ""))))


def _agree(first: Row, second: Row) -> bool:
    """Whether two rows say the same wherever both have a number: a run of before may lack a metric."""
    pairs = [(a.mean, b.mean) for a, b in zip(first.cells, second.cells, strict=True)]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    return bool(known) and all(math.isclose(a, b, rel_tol=1e-9) for a, b in known)


def _by_horizon(here: Sequence[Run], name: str, about: About) -> Iterator[Row]:
    """Rows of a metric, those of models first."""
    seen = set()
    for main in (True, False):
        for run in here:
            of_set = run.sets[name]
            for row, by in of_set.metrics.get(about.name, {}).items():
                ours = row == of_set.main
                if (ours or about.signed) is not main or (not main and str(by.mean) in seen):
                    continue
                seen.add(str(by.mean))
                words = row_of(run, row, len(here) == 1)
                if about.signed and len(here) > 1:
                    words = f"{run.name}: {row_name(row)[0].lower()}{row_name(row)[1:]}"
                yield Row(words, by.estimates(), ours)


def _parts(here: Sequence[Run], name: str, kind: str) -> Table:
    heads = [column for column in columns(here, name) if not column.about.pooled]
    names = dict.fromkeys(part for run in here for part in run.sets[name].breakdown.get(kind, {}))
    rows = []
    for part_name in names:
        for run in here:
            part = run.sets[name].breakdown.get(kind, {}).get(part_name)
            if part is not None:
                of_rows = [(part.metrics.get(one.about.name, {}), one.row or run.sets[name].main) for one in heads]
                cells = [rows_of.get(row, Estimate(None)) for rows_of, row in of_rows]
                rows.append(Row(part_name, cells, more=(run.name, part.clips, part.frames, part.episodes)))
    return _without_empty(kind, heads, rows, sizes=str(len(names)))


def _without_empty(name: str, heads: Sequence[Column], rows: Sequence[Row], sizes: str = "", note: str = "") -> Table:
    used = [place for place in range(len(heads)) if any(row.cells[place].mean is not None for row in rows)]
    short = [Row(row.name, [row.cells[place] for place in used], row.ours, row.more) for row in rows]
    return Table(name, [(heads[place].label, heads[place].about) for place in used], short, sizes, note)


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if number == number else None
