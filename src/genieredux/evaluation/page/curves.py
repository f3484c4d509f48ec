"""Charts of the page: every metric over horizon, differences, drift, calibration, training. It computes nothing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from genieredux.evaluation.config import ACTION_ACCURACY
from genieredux.evaluation.page.paired import Paired
from genieredux.evaluation.page.run import Run
from genieredux.evaluation.page.values import METRICS, ROW_NAMES, Plain, by_horizon, metric_of, metrics_of, with_set
from genieredux.evaluation.results import GENIE, MODEL, REPEAT_LAST, TOKENIZER_ONLY
from genieredux.pictures import charts

AFTER = "frames after the prompt"
RUN_TONES = (0, 3, 4, 5, 6, 7)
"""Colours of runs; 1 is grey, for what no run dreamed, 2 for the tokenizer of a single one."""
_DASHES = {REPEAT_LAST: "5 4", TOKENIZER_ONLY: "2 3", "truth": "8 3", "random_actions": "3 2 1 2"}
_NOT_CURVES = ("step", "time", "elapsed_s", "steps_per_s", "frames_per_s", "tokens_per_s")
_FIRST_CURVES = ("loss", "total", "psnr", "accuracy", "perplexity")
_MOST_CURVES, _MOST_POINTS = 3, 240


def tone_of(place: int) -> int:
    """The colour of the run at a place."""
    return RUN_TONES[place % len(RUN_TONES)]


def horizon_curves(runs: Sequence[Run], set_name: str) -> list[dict[str, Any]]:
    """A chart for every metric by frame: each run with its interval, and what it is measured against."""
    here = [(tone_of(place), run) for place, run in enumerate(runs) if set_name in run.sets]
    single = len(runs) == 1
    found = []
    for metric in metrics_of(runs, set_name):
        rows = []
        for tone, run in here:
            plain = run.sets[set_name]
            names = plain[metric] if metric in ("psnr", "ssim") else plain["metrics"].get(metric, {})
            rows += [(tone, run, row, by_horizon(plain, metric, row)) for row in names]
        if metric == ACTION_ACCURACY and not single:  # ten lines that cross are no picture; the table has them
            rows = [one for one in rows if one[2] not in (TOKENIZER_ONLY, "random_actions")]
        found.append(_chart(metric, set_name, _lines(rows, here[0][1].row(set_name), single, bands=single)))
    return [figure for figure in found if figure["svg"]]


def delta_curves(runs: Sequence[Run]) -> dict[str, Any] | None:
    """Delta PSNR (Genie's definition) by horizon: every test set of one run, or every run on the last set."""
    lines = []
    if len(runs) == 1:
        for tone, (name, found) in zip((0, 3, 2, 4, 1), runs[0].sets.items(), strict=False):
            lines += _one(name, by_horizon(found, "delta_psnr", GENIE), tone)
        where = ""
    else:
        name = list(dict.fromkeys(name for run in runs for name in run.sets))[-1]
        for place, run in enumerate(runs):
            if name in run.sets:
                lines += _one(run.name, by_horizon(run.sets[name], "delta_psnr", GENIE), tone_of(place))
        where = f", {name}"
    chart = charts.line_chart(lines, AFTER, "ΔPSNR, dB", zero=True)
    return figure(f"ΔPSNR by horizon, all actions random{where}", chart, lines) if chart else None


def difference_curves(paired: Sequence[Paired], runs: Sequence[Run], set_name: str) -> list[dict[str, Any]]:
    """PSNR and SSIM of each run minus the baseline's, by horizon."""
    found = []
    for metric in ("psnr", "ssim"):
        lines = []
        for one in paired:
            rows = one.by_set[set_name].differences.get(metric, {}) if set_name in one.by_set else {}
            if MODEL in rows:
                estimate = rows[MODEL].by_horizon
                values = {key: getattr(estimate, key).tolist() for key in ("mean", "low", "high")}
                horizon = list(range(1, len(values["mean"]) + 1))
                lines += _one(one.run.name, {"horizon": horizon, **values}, tone_of(list(runs).index(one.run)))
        about = metric_of(metric)
        label = f"{about.label} difference{', ' + about.unit if about.unit else ''}"
        chart = charts.line_chart(lines, AFTER, label, zero=True)
        if chart:
            found.append(figure(f"{about.label} minus {paired[0].baseline.name}, {set_name}", chart, lines))
    return found


def drift_curves(runs: Sequence[Run], set_name: str) -> list[dict[str, Any]]:
    """PSNR, SSIM, sharpness and entropy of the long dreams."""
    found = []
    here = [(tone_of(place), run) for place, run in enumerate(runs) if _drift(run, set_name)]
    for metric in ("psnr", "ssim", "sharpness", "entropy"):
        rows = []
        for tone, run in here:
            for row, values in _drift(run, set_name)[metric].items():
                rows.append((tone, run, row, {"horizon": range(1, len(values["mean"]) + 1), **values}))
        about = METRICS[metric]
        lines = _lines(rows, MODEL, single=len(runs) == 1, bands=False)
        chart = charts.line_chart(lines, AFTER, f"{about.label}{', ' + about.unit if about.unit else ''}")
        if chart:
            found.append(figure(f"{about.label} of long dreams, {set_name}", chart, lines))
    return found


def reliability(runs: Sequence[Run], set_name: str) -> list[dict[str, Any]]:
    """Rate of wrong tokens and their squared error by entropy, a point for each bin of equally many tokens."""
    found = []
    for key, label in (("error_rate", "share of wrong tokens"), ("mse", "squared error of their pixels")):
        lines = []
        for place, run in enumerate(runs):
            bins = ((run.sets.get(set_name) or {}).get("calibration") or {}).get("bins") or []
            if bins:
                values = {part: [one[key][part] for one in bins] for part in ("mean", "low", "high")}
                name = run.name if len(runs) > 1 else "tokens"
                lines += _one(name, {"horizon": [one["entropy"] for one in bins], **values}, tone_of(place))
        chart = charts.line_chart(lines, "entropy of the token, nats", label)
        if chart:
            found.append(figure(f"{label.capitalize()}, {set_name}", chart, lines))
    return found


def training_curves(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What was logged in training and validation, by what was trained: a few curves {title, lines}, a line {name, tone,
    x, y}, thinned, as plain values to keep beside the results.
    """
    found = {name: [_training_curve(lines, key) for key in _curve_names(lines)] for name, lines in records.items()}
    kept = {name: [curve for curve in curves if curve["lines"]] for name, curves in found.items()}
    return {name: curves for name, curves in kept.items() if curves}


def training(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The curves that runs kept, as charts."""
    found = []
    for run in runs:
        for name, curves in (run.page.get("training") or {}).items():
            figures = []
            for curve in curves:
                lines = [charts.Line(line["name"], line["x"], line["y"], tone=line["tone"]) for line in curve["lines"]]
                figures.append(figure(curve["title"], charts.line_chart(lines, "step", curve["title"]), lines))
            found.append({"name": f"{run.name}: {name}" if len(runs) > 1 else name, "figures": figures})
    return found


def figure(title: str, chart: str, lines: Sequence[charts.Line]) -> dict[str, Any]:
    """A chart with its title and legend."""
    return {"title": title, "svg": Markup(chart), "legend": Markup(charts.legend(lines)) if len(lines) > 1 else ""}


def _lines(
    rows: Sequence[tuple[int, Run, str, Plain | None]], main: str, single: bool, bands: bool
) -> list[charts.Line]:
    """Curves from (tone, run, row, values): the row `main` of every run, then what stands beside it, once where runs
    agree. bands: intervals of these as well.
    """
    front: list[charts.Line] = []
    behind: list[charts.Line] = []
    seen: dict[str, set[str]] = {}
    for tone, run, row, values in rows:
        key = str(values["mean"]) if values else ""
        others = seen.setdefault(row, set())
        if row != main and key in others:
            continue
        own = not single and (row in (main, TOKENIZER_ONLY, "random_actions") or bool(others))
        others.add(key)
        words = ROW_NAMES.get(row, row)
        of_run = run.name if row == MODEL else f"{run.name}: {words[0].lower()}{words[1:]}"
        colour = tone if own else (0 if row == main else _tone(row))
        dash = "" if row == main else _DASHES.get(row, "1 3")
        line = _one(of_run if own else words, values, colour, dash, row == main or bands)
        (front if row == main else behind).extend(line)
    return front + behind


def _tone(row: str) -> int:
    return {MODEL: 0, TOKENIZER_ONLY: 2, "truth": 2, "random_actions": 4, "random_frame": 4}.get(row, 1)


def _one(name: str, values: Plain | None, tone: int, dash: str = "", band: bool = True) -> list[charts.Line]:
    if values is None:
        return []

    def numbers(key: str) -> list[float]:
        return [math.nan if value is None else float(value) for value in values[key]]

    low, high = (numbers("low"), numbers("high")) if band else (None, None)
    return [charts.Line(name, list(values["horizon"]), numbers("mean"), low, high, tone, dash)]


def _chart(metric: str, set_name: str, lines: Sequence[charts.Line]) -> dict[str, Any]:
    about = metric_of(metric)
    label = f"{about.label}{', ' + about.unit if about.unit else ''}"
    return figure(f"{about.label}, {set_name}", charts.line_chart(lines, AFTER, label), lines)


def _drift(run: Run, set_name: str) -> Plain:
    found: Plain = (run.sets.get(set_name) or {}).get("drift") or {}
    return found


def _curve_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The logged numbers worth a chart: the well-known first, then those that were validated too."""
    names: dict[str, int] = {}
    for record in records:
        for key, value in record.items():
            if key in _NOT_CURVES or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if record.get("event") in ("train", "validate") and not key.startswith("peak_"):
                names[key] = max(names.get(key, 0), 1 + (record["event"] == "validate"))

    def rank(key: str) -> tuple[int, int]:
        return (_FIRST_CURVES.index(key) if key in _FIRST_CURVES else len(_FIRST_CURVES), -names[key])

    return sorted(names, key=rank)[:_MOST_CURVES]


def _training_curve(records: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    lines = []
    for event, tone, label in (("train", 1, "training"), ("validate", 0, "validation")):
        points = sorted(
            (record["step"], record[key])
            for record in records
            if record.get("event") == event and key in record and "step" in record and _finite(record[key])
        )
        if len(points) > _MOST_POINTS:
            points = [points[round(i * (len(points) - 1) / (_MOST_POINTS - 1))] for i in range(_MOST_POINTS)]
        if len(points) > 1:
            lines.append({"name": label, "tone": tone, "x": [x for x, _ in points], "y": [y for _, y in points]})
    return {"title": key.replace("_", " "), "lines": lines}


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def sets_with(runs: Sequence[Run], key: str) -> list[str]:
    """Test sets on which any run has a part of the results."""
    names = dict.fromkeys(name for run in runs for name in run.sets)
    return [name for name in names if any(run.sets[name].get(key) for run in with_set(runs, name))]
