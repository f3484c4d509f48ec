"""Numbers as words for tables, and the estimates that tables show. An estimate is `{mean, low, high}`, bounds may be
None.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.page.run import Run
from genieredux.evaluation.results import GENIE, LAST_ACTION, MODEL, REPEAT_LAST, TOKENIZER_ONLY, json_safe

Plain = Mapping[str, Any]

ROW_NAMES = {
    MODEL: "World model",
    REPEAT_LAST: "Repeat the last frame",
    TOKENIZER_ONLY: "Tokenizer only",
    "truth": "True frames",
    "random_actions": "Dream under random actions",
    "other_code": "Another code",
    "repeat_previous": "Repeat the frame before",
    "random_frame": "Random frame",
}
DEFINITION_NAMES = {GENIE: "All actions random", LAST_ACTION: "Only the last action different"}


@dataclass(frozen=True)
class Metric:
    """How a metric is shown. better: +1 where more is better, -1 where less is, 0 where neither."""

    label: str
    unit: str = ""
    digits: int = 3
    better: int = 1


METRICS = {
    "psnr": Metric("PSNR", "dB", 2),
    "ssim": Metric("SSIM"),
    "gain": Metric("Gain over repeating", "dB", 2),
    "delta_psnr": Metric("ΔPSNR", "dB", 2),
    "ST-LPIPS": Metric("ST-LPIPS", better=-1),
    "LPIPS": Metric("LPIPS", better=-1),
    "action_accuracy": Metric("Action accuracy", digits=3),
    "entropy": Metric("Entropy", "nats", 3, 0),
    "sharpness": Metric("Sharpness", "", 4, 0),
    "FID": Metric("FID", "", 1, -1),
    "FVD": Metric("FVD", "", 1, -1),
}


def metric_of(name: str) -> Metric:
    """What is known of a metric; a plain one of its own name where nothing is. `ST-LPIPS (alex)` is an ST-LPIPS."""
    known = METRICS.get(name) or METRICS.get(name.partition(" (")[0]) or Metric(name, better=0)
    return known if name in METRICS else replace(known, label=name)


def number(value: float | None, digits: int, signed: bool = False) -> str:
    """A number for a table; a dash for what is not one."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return (text.lstrip("-+") if not float(text) else text).replace("-", "−")


def interval(estimate: Plain, digits: int = 2, signed: bool = False) -> str:
    """`low to high`, or nothing where there is no interval."""
    if not (_finite(estimate.get("low")) and _finite(estimate.get("high"))):
        return ""
    return f"{number(estimate['low'], digits, signed)} to {number(estimate['high'], digits, signed)}"


def cell(estimate: Plain | None, digits: int, signed: bool = False) -> dict[str, Any]:
    """Mean, half the width of its interval, the interval in full, and the bare value (to sort by), None for none."""
    if estimate is None or not _finite(estimate["mean"]):
        return {"mean": "–", "spread": "", "interval": "", "value": None}
    bounded = _finite(estimate.get("low")) and _finite(estimate.get("high"))
    return {
        "mean": number(estimate["mean"], digits, signed),
        "spread": f"± {number((estimate['high'] - estimate['low']) / 2, digits)}" if bounded else "",
        "interval": interval(estimate, digits, signed) if bounded else "",
        "value": float(estimate["mean"]),
    }


def at(by_horizon: Plain, index: int) -> dict[str, float | None]:
    """One element of an estimate of lists."""
    return {key: by_horizon[key][index] for key in ("mean", "low", "high")}


def by_horizon(found: Plain, metric: str, row: str) -> dict[str, list[Any]] | None:
    """`{horizon, mean, low, high}` of a metric and row of one test set, or None where it was not measured."""
    estimate: Plain | None
    if metric in ("psnr", "ssim"):
        if row not in found[metric]:
            return None
        estimate = {"mean": found[metric][row], **found[f"{metric}_interval"][row]}
    elif metric == "gain":
        estimate = (found.get("gain") or {}).get(row)
    elif metric == "delta_psnr" and row in (found.get("delta_psnr_by_horizon") or {}):
        return dict(found["delta_psnr_by_horizon"][row])
    else:
        estimate = found["metrics"].get(metric, {}).get(row)
    if estimate is None:
        return None
    lists = {key: estimate[key] for key in ("mean", "low", "high")}
    return {"horizon": list(range(1, len(lists["mean"]) + 1)), **lists}


def bootstrap_of(run: Run, set_name: str) -> EpisodeBootstrap:
    """The resampling that the evaluation itself used."""
    return EpisodeBootstrap(run.numbers[set_name].episodes, *bootstrap_settings(run))


def bootstrap_settings(run: Run) -> tuple[int, float, int]:
    """(resamples, interval, seed)."""
    protocol = run.protocol
    return int(protocol.get("resamples", 2000)), float(protocol.get("interval", 0.95)), int(protocol.get("seed", 0))


def average(run: Run, set_name: str, metric: str, row: str) -> dict[str, float | None] | None:
    """The mean over all horizons; with an interval where the numbers of the clips are there. delta_psnr: at the
    compared horizon alone. None where it was not measured.
    """
    found = run.sets[set_name]
    if metric == "delta_psnr" and row in (found.get("delta_psnr") or {}):
        return dict(found["delta_psnr"][row])
    if metric == "gain":
        return ((found.get("gain") or {}).get(row) or {}).get("average")
    if metric in ("FID", "FVD"):
        rows = (found.get("frechet") or {}).get(metric, {}).get("rows", {})
        return {"mean": rows[row]["all"], "low": None, "high": None} if row in rows else None
    known = by_horizon(found, metric, row)
    if known is None:
        return None
    values = run.numbers[set_name].values.get(metric, {}).get(row) if set_name in run.numbers else None
    if values is None:
        finite = [value for value in known["mean"] if value is not None]
        return {"mean": float(np.mean(finite)) if finite else None, "low": None, "high": None}
    kept = np.isfinite(values)
    estimate = bootstrap_of(run, set_name).ratio(np.where(kept, values, 0).sum(1), kept.sum(1))
    plain = json_safe(estimate.to_json())
    assert isinstance(plain, dict)
    return plain


def metrics_of(runs: Sequence[Run], set_name: str) -> list[str]:
    """The metrics by frame that any run has on a test set, in the order of METRICS, others after them."""
    found = {"psnr", "ssim"} | {name for run in runs if set_name in run.sets for name in run.sets[set_name]["metrics"]}
    known = [name for name in METRICS if name in found]
    return known + sorted(found - set(known))


def set_names(runs: Sequence[Run]) -> list[str]:
    """Of all runs, in the order they come."""
    return list(dict.fromkeys(name for run in runs for name in run.sets))


def with_set(runs: Sequence[Run], set_name: str) -> list[Run]:
    """Those that were measured on it."""
    return [run for run in runs if set_name in run.sets]


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
