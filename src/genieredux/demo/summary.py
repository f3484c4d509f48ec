"""A flat file of the demo's headline numbers, for machines: summary.json beside results.json.

For each test set: `psnr_gain` {mean, low, high} over repeating the last frame, the mean of all horizons; `psnr`,
`psnr_repeat_last` by horizon; `st_lpips` {model, repeat_last} by horizon; `sharpness` {"1", "4", "10", "100"}, of the
truth's; `delta_psnr` {mean, low, high}, Genie's definition at t = 4; `action_following`; `action_accuracy` {model,
truth}. `seconds`: of all stages. What was not measured (no weights, no long dreams) is null. Knows results.json only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genieredux.evaluation.rows import MODEL, REPEAT_LAST, TRUTH
from genieredux.runs.files import write_text

HORIZONS = (1, 4, 10)
LONG = 100


def write_summary(results: Path, seconds: Mapping[str, float]) -> Path:
    """seconds: by stage. Returns the file, in the folder of `results`."""
    measured = json.loads(results.read_text())
    sets = {name: numbers for name, numbers in measured.items() if isinstance(numbers, dict) and "clips" in numbers}
    summary: dict[str, Any] = {name: _of(numbers) for name, numbers in sets.items()}
    path = results.with_name("summary.json")
    write_text(path, json.dumps({**summary, "seconds": round(sum(seconds.values()), 1)}, indent=1))
    return path


def _of(numbers: Mapping[str, Any]) -> dict[str, Any]:
    perceptual = next((value for name, value in numbers.items() if name.startswith("ST-LPIPS")), None)
    accuracy = numbers.get("action_accuracy")
    return {
        "psnr_gain": _interval(_at(numbers, "gain", REPEAT_LAST, "average")),
        "psnr": _at(numbers, "psnr", MODEL, "mean"),
        "psnr_repeat_last": _at(numbers, "psnr", REPEAT_LAST, "mean"),
        "st_lpips": None if perceptual is None else {row: perceptual[row]["mean"] for row in (MODEL, REPEAT_LAST)},
        "sharpness": _sharpness(numbers),
        "delta_psnr": _delta(numbers),
        "action_following": _mean(_at(numbers, "action_following", MODEL, "average")),
        "action_accuracy": None
        if accuracy is None
        else {row: _mean(accuracy[row]["average"]) for row in (MODEL, TRUTH)},
    }


def _at(numbers: Mapping[str, Any], *keys: str) -> Any:
    """What lies under keys, None where there is nothing."""
    value: Any = numbers
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _mean(estimate: Mapping[str, Any] | None) -> Any:
    return _at(estimate or {}, "mean")


def _interval(estimate: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if estimate is None else {name: estimate[name] for name in ("mean", "low", "high")}


def _sharpness(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """By horizon; that of long dreams comes from these."""
    usual, long = (_at(part, "sharpness", MODEL, "mean") or [] for part in (numbers, numbers.get("drift") or {}))
    of = {str(h): usual[h - 1] if h <= len(usual) else None for h in HORIZONS}
    return {**of, str(LONG): long[LONG - 1] if len(long) >= LONG else None}


def _delta(numbers: Mapping[str, Any]) -> dict[str, Any] | None:
    genie = _at(numbers, "delta_psnr", "genie")
    if genie is None:
        return None
    at = numbers["compare_at"] - 1
    return {name: genie[name][at] for name in ("mean", "low", "high")}
