"""Charts of the page: every metric over horizon, differences, drift, calibration, training. It computes nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from genieredux.evaluation.about import About
from genieredux.evaluation.rows import MODEL, REPEAT_LAST, TOKENIZER_ONLY
from genieredux.pictures import charts
from genieredux.pictures.charts import Line
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.paired import Paired
from genieredux.report.worlds.results import ByHorizon
from genieredux.report.worlds.values import label, measured, metrics_of, row_name, row_of, set_names

AFTER = "frames after the prompt"
RUN_TONES = (0, 3, 4, 5, 6, 7)
"""Colours of runs; 1 is grey, for what no run dreamed, 2 for the tokenizer of a single one."""
_ROW_TONES = {MODEL: 0, TOKENIZER_ONLY: 2, "truth": 2, "random_actions": 4, "random_frame": 4, "other_code": 4}
_SIGNED_TONES = (0, 3, 5, 6)
_DASHES = {REPEAT_LAST: "5 4", TOKENIZER_ONLY: "2 3", "truth": "8 3", "random_actions": "3 2 1 2"}
_OF_EACH_RUN = (TOKENIZER_ONLY, "random_actions")
_CROWDED = 4
"""Rows of several runs from which on only those of the models are drawn: lines that cross are no picture."""


@dataclass(frozen=True)
class Figure:
    """A chart with its title and legend, as HTML."""

    title: str
    svg: Markup
    legend: Markup | str


def tone_of(place: int) -> int:
    """The colour of the run at a place."""
    return RUN_TONES[place % len(RUN_TONES)]


def horizon_curves(runs: Sequence[Run], at: str) -> list[Figure]:
    """For each test set a chart for every metric whose one number is read there (About.at), with the model's rows and
    what they are measured against.
    """
    found = []
    for name in set_names(runs):
        for about in measured(runs, name).values():
            rows = {run: run.sets[name].metrics.get(about.name, {}) for run in runs if name in run.sets}
            if about.at == at:
                found += _figure(about, name, _lines(runs, rows, about, [run.sets[name].main for run in rows]))
    return found


def difference_curves(paired: Sequence[Paired], runs: Sequence[Run]) -> list[Figure]:
    """Each run minus the baseline, by horizon, for every metric of the models that has a direction."""
    found = []
    for name in set_names(runs):
        for metric, about in metrics_of(runs).items():
            lines = []
            for one in paired if about.better and not about.signed else ():
                rows = one.by_set[name].differences.get(metric, {}) if name in one.by_set else {}
                if MODEL in rows:
                    gap = rows[MODEL].by_horizon
                    by = ByHorizon(tuple(gap.mean.tolist()), tuple(gap.low.tolist()), tuple(gap.high.tolist()))
                    lines.append(_line(one.run.name, by, tone_of(list(runs).index(one.run))))
            unit = f", {about.unit}" if about.unit else ""
            chart = charts.line_chart(lines, AFTER, f"{about.label} difference{unit}", zero=True)
            title = f"{about.label} minus {paired[0].baseline.name}, {name}" if paired else ""
            found += _titled(title, chart, lines)
    return found


def drift_curves(runs: Sequence[Run]) -> list[Figure]:
    """Every metric of the long dreams."""
    found = []
    for name in set_names(runs):
        here = {run: of.drift for run in runs if (of := run.sets.get(name)) and of.drift}
        for metric, about in metrics_of(runs).items():
            rows = {run: drift.metrics.get(metric, {}) for run, drift in here.items()}
            lines = _lines(runs, rows, about, [MODEL] * len(rows), bands=False)
            found += _figure(about, f"long dreams, {name}", lines)
    return found


def reliability(runs: Sequence[Run]) -> list[Figure]:
    """Rate of wrong tokens and their squared error by entropy, a point for each bin of equally many tokens."""
    found = []
    for name in set_names(runs):
        for key, words in (("error_rate", "share of wrong tokens"), ("mse", "squared error of their pixels")):
            lines = []
            for place, run in enumerate(runs):
                calibration = run.sets[name].calibration if name in run.sets else None
                if calibration and calibration.bins:
                    by = ByHorizon.of([getattr(one, key) for one in calibration.bins])
                    x = [_number(one.entropy) for one in calibration.bins]
                    lines.append(_line(run.name if len(runs) > 1 else "tokens", by, tone_of(place), x=x))
            chart = charts.line_chart(lines, "entropy of the token, nats", words)
            found += _titled(f"{words.capitalize()}, {name}", chart, lines)
    return found


def training(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The curves that runs kept: {name, figures} for each thing that was trained."""
    found = []
    for run in runs:
        for name, curves in run.words.training.items():
            figures = []
            for curve in curves:
                lines = [Line(line.name, line.x, line.y, tone=line.tone) for line in curve.lines]
                figures += _titled(curve.title, charts.line_chart(lines, "step", curve.title), lines)
            found.append({"name": f"{run.name}: {name}" if len(runs) > 1 else name, "figures": figures})
    return found


def _lines(
    runs: Sequence[Run],
    rows: Mapping[Run, Mapping[str, ByHorizon]],
    about: About,
    mains: Sequence[str],
    bands: bool | None = None,
) -> list[Line]:
    """The models' rows with their intervals, then what stands beside them, once where runs agree. bands: intervals of
    these as well; by default on a page of one run.
    """
    single = len(runs) == 1
    front: list[Line] = []
    behind: list[Line] = []
    seen: dict[str, set[str]] = {}
    crowded = not single and len({row for of in rows.values() for row in of}) > _CROWDED
    for (run, of_run), main in zip(rows.items(), mains, strict=True):
        tone = tone_of(list(runs).index(run))
        for place, (row, by) in enumerate(of_run.items()):
            if about.signed:
                name = row_name(row) if single else f"{run.name}: {row_name(row).lower()}"
                front.append(_line(name, by, _SIGNED_TONES[place % 4] if single else tone, "" if not place else "4 3"))
                continue
            others = seen.setdefault(row, set())
            key = str(by.mean)
            if row != main and (key in others or (crowded and row in _OF_EACH_RUN)):
                continue
            own = not single and (row == main or row in _OF_EACH_RUN or bool(others))
            others.add(key)
            colour = tone if own or row == main else _ROW_TONES.get(row, 1)
            dash = "" if row == main else _DASHES.get(row, "1 3")
            band = row == main or (single if bands is None else bands)
            line = _line(row_of(run, row, not own), by, colour, dash, band)
            (front if row == main else behind).append(line)
    return front + behind


def _line(
    name: str, by: ByHorizon, tone: int, dash: str = "", band: bool = True, x: Sequence[float] | None = None
) -> Line:
    mean, low, high = ([_number(value) for value in values] for values in (by.mean, by.low, by.high))
    places = list(range(1, len(mean) + 1)) if x is None else x
    return Line(name, places, mean, low if band else None, high if band else None, tone, dash)


def _figure(about: About, where: str, lines: Sequence[Line]) -> list[Figure]:
    return _titled(f"{about.label}, {where}", charts.line_chart(lines, AFTER, label(about), zero=about.signed), lines)


def _titled(title: str, chart: str, lines: Sequence[Line]) -> list[Figure]:
    """The chart, if there is anything in it."""
    return [Figure(title, Markup(chart), Markup(charts.legend(lines)) if len(lines) > 1 else "")] if chart else []


def _number(value: float | None) -> float:
    return math.nan if value is None else value
