"""Tables of parts and of what else was measured: breakdown, drift, calibration, confused actions, networks, seeds."""

from collections.abc import Sequence
from typing import Any

from genieredux.evaluation.page.notes import missing_metrics
from genieredux.evaluation.page.run import Run
from genieredux.evaluation.page.values import ROW_NAMES, Plain, cell, metric_of, metrics_of, number, set_names, with_set
from genieredux.evaluation.results import GENIE, MODEL, REPEAT_LAST, TOKENIZER_ONLY

KIND_NAMES = {
    "game": "By game",
    "console": "By console",
    "tag": "By tag",
    "policy": "By who played",
    "action": "By the action that led to the frame",
}


def breakdown(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set and kind of part a table: a row per part and run, sortable."""
    found = []
    for name in set_names(runs):
        here = with_set(runs, name)
        kinds = dict.fromkeys(kind for run in here for kind in run.sets[name]["breakdown"])
        tables = [_parts(here, name, kind, len(runs) == 1) for kind in kinds]
        if tables:
            found.append({"name": name, "tables": tables})
    return found


def drift(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Where long dreams collapse: for each test set and run, how far they are better than each baseline."""
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            plain = run.sets[name].get("drift")
            if not plain:
                continue
            half = plain["half_sharp_from"]
            found.append(
                {
                    "set": name,
                    "run": run.name if len(runs) > 1 else "",
                    "frames": str(plain["frames"]),
                    "clips": f"{plain['clips']} of {plain['episodes']} episodes",
                    "repeat_last": _stretch(plain["better"]["repeat_last"], plain["frames"]),
                    "random_frame": _stretch(plain["better"]["random_frame"], plain["frames"]),
                    "half_sharp": f"from +{half}" if half else "never",
                }
            )
    return found


def calibration(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Spearman correlations of entropy with errors, for each test set and run."""
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            plain = run.sets[name].get("calibration")
            if not plain or not plain.get("bins"):
                continue
            columns = (
                plain["token"]["wrong"],
                plain["token"]["mse"],
                plain["first_frame"]["wrong"],
                plain["frame"]["psnr"],
            )
            found.append(
                {
                    "set": name,
                    "run": run.name if len(runs) > 1 else "",
                    "tokens": f"{plain['tokens']:,} tokens",
                    "wrong": cell(plain["error_rate"], 3),
                    "cells": [cell(one["spearman"], 2, signed=True) for one in columns],
                }
            )
    return found


def confusion(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """For each test set and run: which action was given (rows) and which one the dream shows (columns), shares of a
    row; the same of the true frames.
    """
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            counts = run.sets[name].get("action_confusion") or {}
            for row in ("model", "random_actions", "truth"):
                if row in counts:
                    title = ROW_NAMES[row] if row != MODEL else "Dream under the true actions"
                    words = f"{name}{f', {run.name}' if len(runs) > 1 else ''}: {title.lower()}"
                    found.append({"title": words, "actions": list(run.action_names), "rows": _shares(counts[row], run)})
    return found


def networks(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Fréchet distances for each test set, run and row, with their floor and samples."""
    found = []
    for name in set_names(runs):
        for run in with_set(runs, name):
            for metric, plain in (run.sets[name].get("frechet") or {}).items():
                digits = metric_of(metric).digits
                if not plain["rows"]:
                    continue
                values = [plain["rows"].get(row, {}).get("all") for row in (run.row(name), REPEAT_LAST, TOKENIZER_ONLY)]
                found.append(
                    {
                        "set": name,
                        "run": run.name if len(runs) > 1 else "",
                        "metric": metric,
                        "cells": [number(value, digits) for value in (*values, plain["floor"])],
                        "samples": f"{plain['samples']:,}",
                    }
                )
    return found


def absent(runs: Sequence[Run]) -> list[str]:
    """One line for each metric that was left out, and why."""
    lines: dict[str, list[str]] = {}
    for run in runs:
        for metric, why in missing_metrics(run).items():
            lines.setdefault(f"{metric} is not here: {why}.", []).append(run.name)
    several = len(runs) > 1
    return [
        f"{line} ({', '.join(names)})" if several and len(names) < len(runs) else line for line, names in lines.items()
    ]


def seeds(runs: Sequence[Run]) -> list[str]:
    """The spread over sampling seeds, where there were several."""
    found = []
    for run in runs:
        for name, plain in run.sets.items():
            of_seeds = plain.get("sampling_seeds") or {}
            spread = {key: value for key, value in (of_seeds.get("spread") or {}).items() if value is not None}
            if spread:
                said = ", ".join(f"{key} ± {number(value, 3)}" for key, value in spread.items())
                found.append(f"{run.name}, {name}: {len(of_seeds['seeds'])} sampling seeds; {said}")
    return found


def codebooks(runs: Sequence[Run]) -> list[str]:
    """What tokenizers and latent action models say of their codes."""
    found = []
    for run in runs:
        for name, plain in run.sets.items():
            if use := plain.get("codebook"):
                line = (
                    f"{run.name}, {name}: {use['used']} of {use['size']} codes used, perplexity {use['perplexity']:.1f}"
                )
                if mapping := plain.get("mapping"):
                    share, majority = 100 * mapping["accuracy"], 100 * mapping["majority"]
                    line += f"; codes name {share:.1f} % of the true actions (the commonest alone: {majority:.1f} %)"
                found.append(line)
    return found


def _parts(here: Sequence[Run], name: str, kind: str, single: bool) -> dict[str, Any]:
    columns: list[tuple[str, str]] = [("psnr", ""), ("gain", REPEAT_LAST), ("ssim", ""), ("delta_psnr", GENIE)]
    columns += [(metric, "") for metric in metrics_of(here, name) if metric not in ("psnr", "ssim")]
    names = dict.fromkeys(part for run in here for part in run.sets[name]["breakdown"].get(kind, {}))
    rows = []
    for part in names:
        for run in here:
            plain = run.sets[name]["breakdown"].get(kind, {}).get(part)
            if plain is None:
                continue
            cells = [_part_cell(plain, metric, row or run.row(name)) for metric, row in columns]
            sizes = [plain["clips"], plain["frames"], plain["episodes"]]
            rows.append({"part": part, "run": "" if single else run.name, "sizes": sizes, "cells": cells})
    used = [place for place in range(len(columns)) if any(row["cells"][place]["value"] is not None for row in rows)]
    for row in rows:
        row["cells"] = [row["cells"][place] for place in used]
    labels = [metric_of(columns[place][0]) for place in used]
    heads = [about.label + (f", {about.unit}" if about.unit else "") for about in labels]
    return {"title": KIND_NAMES.get(kind, f"By {kind}"), "count": len(names), "columns": heads, "rows": rows}


def _part_cell(plain: Plain, metric: str, row: str) -> dict[str, Any]:
    estimate = plain.get(metric, {}).get(row)
    return cell(estimate, metric_of(metric).digits, metric in ("gain", "delta_psnr"))


def _stretch(found: Plain | None, frames: int) -> str:
    if found is None:
        return "never"
    until = f"+{found['until']}" + (" (the end)" if found["until"] >= frames else "")
    return f"+{found['from']} to {until}"


def _shares(counts: Sequence[Sequence[int]], run: Run) -> list[dict[str, Any]]:
    rows = []
    for index, row in enumerate(counts):
        total = sum(row)
        name = run.action_names[index] if index < len(run.action_names) else str(index)
        shares = [count / total if total else None for count in row]
        cells = [
            {
                "text": "–" if share is None else f"{100 * share:.0f}",
                "share": f"{share or 0:.2f}",
                "right": place == index,
            }
            for place, share in enumerate(shares)
        ]
        rows.append({"name": name, "total": total, "cells": cells})
    return rows
