"""Tables of the page: the headline, horizons, control, differences. Plain values that the template lays out."""

from collections.abc import Sequence
from typing import Any

from genieredux.evaluation.page.paired import Paired
from genieredux.evaluation.page.run import Run
from genieredux.evaluation.page.values import (
    DEFINITION_NAMES,
    ROW_NAMES,
    Plain,
    at,
    average,
    by_horizon,
    cell,
    interval,
    metric_of,
    metrics_of,
    number,
    set_names,
    with_set,
)
from genieredux.evaluation.results import GENIE, LAST_ACTION, MODEL, REPEAT_LAST, TOKENIZER_ONLY

_SIGNED = ("gain", "delta_psnr")


def tiles(run: Run) -> list[dict[str, str]]:
    """The head of a page of one run: for every test set its average gain and delta PSNR; the reconstruction of the
    first.
    """
    found = []
    for name, of_set in run.sets.items():
        if estimate := average(run, name, "gain", REPEAT_LAST):
            horizon = len(of_set["psnr"][REPEAT_LAST])
            note = f"{name}, mean of horizons 1–{horizon}"
            found.append(_tile(estimate, "over repeating the last frame", note))
    for name, of_set in run.sets.items():
        if estimate := average(run, name, "delta_psnr", GENIE):
            found.append(_tile(estimate, "thanks to the true actions", f"{name}, ΔPSNR at t = {of_set['compare_at']}"))
    name = next(iter(run.sets))
    if ceiling := average(run, name, "psnr", TOKENIZER_ONLY):
        value = {"value": f"{number(ceiling['mean'], 2)} dB", "interval": ""}
        found.append({**value, "label": "reconstruction, the ceiling", "note": f"{name}, tokenizer only"})
    return found


def headline(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set, a row per run and baseline, a column per metric, each mean with its interval."""
    return [_headline(with_set(runs, name), name, len(runs) == 1) for name in set_names(runs)]


def horizons(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set, every metric of every row by horizon, and the paired gain."""
    found = []
    for name in set_names(runs):
        here = with_set(runs, name)
        groups = []
        for metric in [*metrics_of(here, name)[:1], "gain", *metrics_of(here, name)[1:]]:
            about = metric_of(metric)
            rows = [
                {"name": _row_name(run, row, len(runs) == 1), "ours": row == run.row(name), "cells": cells}
                for run, row, cells in _by_horizon(here, name, metric)
            ]
            if rows:
                unit = f", {about.unit}" if about.unit else ""
                groups.append({"label": about.label + unit, "gain": metric == "gain", "rows": rows})
        found.append(
            {
                "name": name,
                "sizes": _sizes(here, name),
                "note": _set_note(runs, name),
                "horizons": list(range(1, max(len(run.sets[name]["psnr"][run.row(name)]) for run in here) + 1)),
                "groups": groups,
                "capped": _capped(here, name, len(runs) == 1),
            }
        )
    return found


def delta(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Both definitions of delta PSNR at the compared horizon, for each test set and run."""
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            for definition, estimate in (run.sets[name].get("delta_psnr") or {}).items():
                found.append(
                    {
                        "set": name,
                        "run": run.name if len(runs) > 1 else "",
                        "definition": DEFINITION_NAMES.get(definition, definition),
                        "key": definition,
                        "t": str(run.sets[name]["compare_at"]),
                        "mean": number(estimate["mean"], 2, signed=True),
                        "interval": interval(estimate, signed=True) or "–",
                    }
                )
    return found


def differences(paired: Sequence[Paired]) -> list[dict[str, Any]]:
    """For each test set, run and metric: what the baseline has, what the run has, and the paired difference."""
    found = []
    for name in dict.fromkeys(name for one in paired for name in one.by_set):
        rows = []
        for one in paired:
            if name not in one.by_set:
                continue
            comparison = one.by_set[name]
            for metric, of_rows in comparison.differences.items():
                about = metric_of(metric)
                for row, difference in of_rows.items():
                    if row in (REPEAT_LAST, "truth") or not about.better:
                        continue
                    estimate = difference.average.to_json()
                    where = "mean of horizons"
                    if metric == "delta_psnr":
                        t = int(one.baseline.sets[name]["compare_at"])
                        estimate, where = difference.by_horizon.at(t - 1).to_json(), f"t = {t}"
                    rows.append(_difference(one, metric, row, estimate, where, comparison.clips))
        found.append({"name": name, "rows": rows})
    return found


def _difference(one: Paired, metric: str, row: str, estimate: Plain, where: str, clips: int) -> dict[str, Any]:
    about = metric_of(metric)
    low, high = estimate["low"], estimate["high"]
    if low is None or low != low:
        verdict = ""
    elif low <= 0 <= high:
        verdict = "no clear difference"
    else:
        verdict = "better" if (low > 0) == (about.better > 0) else "worse"
    words = DEFINITION_NAMES.get(row) or ROW_NAMES.get(row, row)
    return {
        "run": one.run.name,
        "metric": about.label + (f", {about.unit}" if about.unit else ""),
        "row": f"{words}, {where}",
        "cell": cell(estimate, about.digits, signed=True),
        "verdict": verdict,
        "clips": clips,
        "ours": row in (MODEL, GENIE),
    }


def _tile(estimate: Plain, label: str, note: str) -> dict[str, str]:
    value = f"{number(estimate['mean'], 2, signed=True)} dB"
    return {"value": value, "label": label, "note": note, "interval": interval(estimate, signed=True)}


def _headline(here: Sequence[Run], name: str, single: bool) -> dict[str, Any]:
    columns: list[tuple[str, str, str]] = []  # metric, the row it needs or "" for any, label
    for metric in metrics_of(here, name):
        about = metric_of(metric)
        columns.append((metric, "", about.label + (f", {about.unit}" if about.unit else "")))
    columns.insert(1, ("gain", REPEAT_LAST, "Gain over repeating, dB"))
    t = next((run.sets[name]["compare_at"] for run in here if "compare_at" in run.sets[name]), None)
    columns += [("delta_psnr", key, f"ΔPSNR t={t}, {words}") for key, words in ((GENIE, "all"), (LAST_ACTION, "last"))]
    columns += [(metric, "", metric) for metric in ("FID", "FVD")]
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()
    order = [(run, run.row(name)) for run in here]
    order += [(run, row) for row in (TOKENIZER_ONLY, REPEAT_LAST) for run in here if row != run.row(name)]
    order += [(run, row) for run in here for row in run.sets[name]["psnr"] if (run, row) not in order]
    for run, row in order:
        main = row == run.row(name)
        cells = [_headline_cell(run, name, metric, needed, row, main) for metric, needed, _ in columns]
        key = str([one["mean"] for one in cells])
        if row not in run.sets[name]["psnr"] or (not main and key in shown):
            continue
        shown.add(key)
        rows.append({"name": _row_name(run, row, single), "ours": main, "cells": cells})
    used = [place for place in range(len(columns)) if any(row["cells"][place]["value"] is not None for row in rows)]
    for one in rows:
        one["cells"] = [one["cells"][place] for place in used]
    return {
        "name": name,
        "sizes": _sizes(here, name),
        "note": _set_note(here, name),
        "columns": [columns[place][2] for place in used],
        "rows": rows,
    }


def _headline_cell(run: Run, name: str, metric: str, needed: str, row: str, main: bool) -> dict[str, Any]:
    about = metric_of(metric)
    if metric in _SIGNED:
        estimate = average(run, name, metric, needed) if main else None
        return cell(estimate, about.digits, signed=True)
    return cell(average(run, name, metric, row), about.digits)


def _by_horizon(here: Sequence[Run], name: str, metric: str) -> list[tuple[Run, str, list[dict[str, Any]]]]:
    """Rows of a metric, those of models first, what agrees between runs once."""
    found, seen = [], set()
    about = metric_of(metric)
    for main in (True, False):
        for run in here:
            plain = run.sets[name]
            rows = plain[metric] if metric in ("psnr", "ssim") else plain["metrics"].get(metric, {})
            rows = (plain.get("gain") or {}) if metric == "gain" else rows
            for row in rows:
                values = by_horizon(plain, metric, row)
                if values is None or (row == run.row(name) or metric == "gain") is not main:
                    continue
                key = str(values["mean"])
                if not main and key in seen:
                    continue
                seen.add(key)
                cells = [
                    cell(at(values, place), about.digits, metric in _SIGNED) for place in range(len(values["mean"]))
                ]
                found.append((run, row, cells))
    return found


def _row_name(run: Run, row: str, single: bool) -> str:
    words = ROW_NAMES.get(row, row)
    if single or row in (REPEAT_LAST, "truth"):
        return words
    return run.name if row == MODEL else f"{run.name}: {words[0].lower()}{words[1:]}"


def _sizes(here: Sequence[Run], name: str) -> str:
    found = dict.fromkeys(f"{run.sets[name]['clips']} clips of {run.sets[name]['episodes']} episodes" for run in here)
    return " / ".join(found)


def _set_note(runs: Sequence[Run], name: str) -> str:
    notes = dict.fromkeys(str((run.page.get("set_notes") or {}).get(name, "")) for run in runs)
    return " / ".join(note for note in notes if note)


def _capped(here: Sequence[Run], name: str, single: bool) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for run in here:
        for row, count in (run.sets[name].get("capped_frames") or {}).items():
            if count:
                found.setdefault(_row_name(run, row, single), count)
    return list(found.items())
