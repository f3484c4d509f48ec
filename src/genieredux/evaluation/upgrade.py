"""results.json as older versions wrote it, in the form of today (docs/metrics.md has it). It reads no file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genieredux.evaluation.about import About

VERSION = 2
_COPIED = ("clips", "episodes", "interval", "compare_at", "capped_frames", "action_confusion", "calibration")
_COPIED_TOO = ("codebook", "mapping", "breakdown")
_DRIFT_COPIED = ("clips", "episodes", "interval", "frames", "better", "half_sharp_from", "smoothed")

ABOUT_BEFORE = (
    About("psnr", "PSNR", "dB", 2, "higher", cap=60.0),
    About("ssim", "SSIM", better="higher"),
    About("gain", "Gain over repeating", "dB", 2, "higher", signed=True),
    About("delta_psnr", "ΔPSNR", "dB", 2, "higher", signed=True, at="compare_at"),
    About("entropy", "Entropy", "nats"),
    About("mean_step", "Mean step between neighbouring pixels", digits=4),
    About("ST-LPIPS", "ST-LPIPS", better="lower"),
    About("LPIPS", "LPIPS", better="lower"),
    About("action_accuracy", "Action accuracy", better="higher"),
    About("FID", "FID", digits=1, better="lower", pooled=True, few_below=2048),
    About("FVD", "FVD", digits=1, better="lower", pooled=True, few_below=400),
)
"""The metrics that a file without descriptions may have. `ST-LPIPS (alex)` is an ST-LPIPS."""


def upgrade(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The same numbers in the form of version 2; a file of version 2 as it is. KeyError, TypeError, AttributeError:
    it is no results.json.
    """
    if "version" in plain:
        return dict(plain)
    made_by = dict(plain["made_by"])
    config = made_by.get("config") or {}
    made_by |= {
        "config": config.get("eval") or config,
        "sampling": made_by.get("sampling") or config.get("sampling"),
        "metrics": made_by.pop("networks", None) or {},
    }
    sets = {name: _set(found) for name, found in plain.items() if name != "made_by"}
    names = {name for found in sets.values() for name in [*found, *(found.get("drift") or {})]}
    about = {
        name: one.to_json() for one in ABOUT_BEFORE for name in sorted(names) if name.partition(" (")[0] == one.name
    }
    for name, one in about.items():
        one["label"] = name if " (" in name else one["label"]
    return {"version": VERSION, "about": about, "made_by": made_by, **sets}


def _set(found: Mapping[str, Any]) -> dict[str, Any]:
    new = {key: found[key] for key in (*_COPIED, *_COPIED_TOO) if found.get(key) is not None}
    for metric in ("psnr", "ssim"):
        bounds = found[f"{metric}_interval"]
        new[metric] = {row: _averaged({"mean": mean, **bounds[row]}) for row, mean in found[metric].items()}
    if found.get("gain"):
        new["gain"] = found["gain"]
    if found.get("delta_psnr_by_horizon"):
        length = len(next(iter(found["psnr"].values())))
        new["delta_psnr"] = {row: _spread(by, length) for row, by in found["delta_psnr_by_horizon"].items()}
    for metric, rows in (found.get("metrics") or {}).items():
        new[metric] = {row: _averaged(by) for row, by in rows.items()}
    new |= found.get("frechet") or {}
    if found.get("sampling_seeds"):
        new["sampling_seeds"] = _seeds(found["sampling_seeds"])
    if found.get("drift"):
        new["drift"] = _drift(found["drift"])
    return new


def _averaged(by: Mapping[str, Any]) -> dict[str, Any]:
    """With the mean over the horizons that were measured; its interval was not kept."""
    known = [value for value in by["mean"] if value is not None]
    mean = float(np.mean(known)) if known else None
    return {"average": {"mean": mean, "low": None, "high": None}, **by}


def _spread(by: Mapping[str, Any], length: int) -> dict[str, Any]:
    """An estimate at some horizons as lists over all of them."""
    place = {horizon: index for index, horizon in enumerate(by["horizon"])}
    lists = {
        key: [by[key][place[t]] if t in place else None for t in range(1, length + 1)]
        for key in ("mean", "low", "high")
    }
    return _averaged(lists)


def _seeds(found: Mapping[str, Any]) -> dict[str, Any]:
    means: dict[str, dict[str, Any]] = {}
    spread: dict[str, dict[str, Any]] = {}
    for key, value in found["spread"].items():
        metric, _, row = key.partition(".")
        row = row or ("repeat_last" if metric == "gain" else "model")
        means.setdefault(metric, {})[row] = found[key]
        spread.setdefault(metric, {})[row] = value
    return {"seeds": found["seeds"], "means": means, "spread": spread}


def _drift(found: Mapping[str, Any]) -> dict[str, Any]:
    new = {key: found.get(key) for key in _DRIFT_COPIED}
    names = {"psnr": "psnr", "ssim": "ssim", "gain": "gain", "entropy": "entropy", "sharpness": "mean_step"}
    for old, name in names.items():
        new[name] = {row: _averaged(by) for row, by in found[old].items()}
    return new
