"""What else was measured: drift, calibration, confused actions, seeds, codes. Plain values and sentences."""

from collections.abc import Iterator, Sequence
from typing import Any

from genieredux.evaluation.rows import MODEL
from genieredux.report.html import finite, number
from genieredux.report.worlds.folder import Run
from genieredux.report.worlds.results import Stretch, TestSet
from genieredux.report.worlds.values import row_name, set_names, with_set

_BETTER = {"repeat_last": "Better than repeating", "random_frame": "Better than a random frame"}


def drift(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Where long dreams collapse: for each test set and run, how far they are better than each baseline."""
    return [
        {
            "owner": owner,
            "drift": long,
            "better": {_BETTER.get(row, row): _stretch(one, long.frames) for row, one in long.better.items()},
            "half_sharp": f"from +{long.half_sharp_from}" if long.half_sharp_from else "never",
        }
        for owner, _, of_set in _each(runs)
        if (long := of_set.drift)
    ]


def calibration(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Spearman correlations of entropy with errors, for each test set and run."""
    return [
        {
            "owner": owner,
            "tokens": f"{one.tokens:,} tokens",
            "wrong": one.error_rate,
            "cells": [
                one.token.wrong.spearman,
                one.token.mse.spearman,
                one.first_frame.wrong.spearman,
                one.frame.psnr.spearman,
            ],
        }
        for owner, _, of_set in _each(runs)
        if (one := of_set.calibration) and one.bins
    ]


def confusion(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set and run: which action was given (rows) and which one the dream shows (columns), shares of a
    row; the same of the true frames.
    """
    found = []
    for owner, run, of_set in _each(runs):
        for row, counts in of_set.action_confusion.items():
            title = row_name(row) if row != MODEL else "Dream under the true actions"
            if row in (MODEL, "random_actions", "truth"):
                rows = [_shares(index, of_row, run) for index, of_row in enumerate(counts)]
                found.append({"title": f"{owner}: {title.lower()}", "actions": list(run.action_names), "rows": rows})
    return found


def absent(runs: Sequence[Run]) -> list[str]:
    """Why metrics that need a network are not there, once for all runs that say the same."""
    lacking: dict[str, list[Run]] = {}
    for run in runs:
        for name, one in run.made("metrics").items():
            if isinstance(one, dict) and "missing" in one:
                lacking.setdefault(f"{name} is not here: {one['missing']}.", []).append(run)
    return [
        line if len(of) == len(runs) else f"{', '.join(run.name for run in of)}: {line}" for line, of in lacking.items()
    ]


def seeds(runs: Sequence[Run]) -> list[str]:
    """How far means spread over sampling seeds, where there were several."""
    lines = []
    for owner, run, of_set in _each(runs):
        several = of_set.sampling_seeds
        spread = {
            run.about[metric].label + ("" if len(rows) == 1 else f" ({row_name(row, run.kind).lower()})"): value
            for metric, rows in (several.spread if several else {}).items()
            if metric in run.about
            for row, value in rows.items()
            if finite(value)
        }
        if several and spread:
            words = ", ".join(f"{name} ± {number(value, 3)}" for name, value in spread.items())
            lines.append(f"{owner}: {len(several.seeds)} sampling seeds; {words}")
    return lines


def codebooks(runs: Sequence[Run]) -> list[str]:
    """What tokenizers and latent action models say of their codes."""
    lines = []
    for owner, _, of_set in _each(runs):
        if use := of_set.codebook:
            line = f"{owner}: {use.used} of {use.size} codes used, perplexity {use.perplexity:.1f}"
            share, majority = (of_set.mapping.get(key) for key in ("accuracy", "majority"))
            if finite(share) and finite(majority):
                named, commonest = (number(100 * value, 1) for value in (share, majority))  # type: ignore[operator]
                line += f"; codes name {named} % of the true actions (the commonest alone: {commonest} %)"
            lines.append(line)
    return lines


def _each(runs: Sequence[Run]) -> Iterator[tuple[str, Run, TestSet]]:
    """(whose it is, the run, what was measured) for every test set and run."""
    for name in set_names(runs):
        for run in with_set(runs, name):
            yield name if len(runs) == 1 else f"{name}, {run.name}", run, run.sets[name]


def _stretch(found: Stretch | None, frames: int) -> str:
    if found is None:
        return "never"
    return f"+{found.first} to +{found.until}{' (the end)' if found.until >= frames else ''}"


def _shares(index: int, counts: Sequence[int], run: Run) -> dict[str, Any]:
    total = sum(counts)
    name = run.action_names[index] if index < len(run.action_names) else str(index)
    shares = [count / total if total else None for count in counts]
    return {"name": name, "total": total, "shares": shares, "right": index}
