"""The tables of docs/results.md from results.json files of version 2 (docs/metrics.md).

python benchmarks/results_table.py runs/demo/results.json [more ...]
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROWS = {"model": "world", "repeat_last": "repeat the last frame", "tokenizer_only": "truth, encoded and decoded"}
LONG = (1, 10, 30, 50, 100)


def tables(path: Path) -> str:
    """Markdown: for every test set of one file what is measured by horizon, and below it the other numbers."""
    measured = json.loads(path.read_text())
    seconds = measured["made_by"]["seconds"]
    lines = [f"`{path}`: seed {measured['made_by']['seed']}, evaluated in {sum(seconds.values()):.0f} s", ""]
    for name, numbers in measured.items():
        if isinstance(numbers, Mapping) and "clips" in numbers:
            lines += [f"**{name}** ({numbers['clips']} clips of {numbers['episodes']} episodes)", ""]
            lines += [*_by_horizon(numbers), "", *_below(numbers), ""]
    return "\n".join(lines)


def _by_horizon(numbers: Mapping[str, Any]) -> list[str]:
    horizons = len(numbers["psnr"]["model"]["mean"])
    rows = [(f"PSNR in dB, {label}", numbers["psnr"][row], 2, "") for row, label in ROWS.items()]
    rows.append(("gain over repeating", numbers["gain"]["repeat_last"], 2, "+"))
    rows.append(("SSIM", numbers["ssim"]["model"], 3, ""))
    rows.append(("sharpness (of the truth's)", numbers["sharpness"]["model"], 2, ""))
    for metric in (name for name in numbers if name.startswith(("ST-LPIPS", "LPIPS"))):
        rows += [(f"{metric}, {ROWS[row]}", numbers[metric][row], 3, "") for row in ("model", "repeat_last")]
    lines = ["| | " + " | ".join(str(h + 1) for h in range(horizons)) + " | mean |", "|---" * (horizons + 2) + "|"]
    for label, values, digits, sign in rows:
        cells = " | ".join(f"{value:{sign}.{digits}f}" for value in values["mean"])
        mean = (
            _estimate(values["average"], 2) if label.startswith("gain") else f"{values['average']['mean']:.{digits}f}"
        )
        lines.append(f"| {label} | {cells} | {mean} |")
    return lines


def _below(numbers: Mapping[str, Any]) -> list[str]:
    """What stands under a table: the actions, Fréchet distances, long dreams, the spread over sampling seeds."""
    lines, at = [], numbers["compare_at"] - 1
    delta = numbers.get("delta_psnr")
    if delta:
        genie, last = (
            {key: delta[kind][key][at] for key in ("mean", "low", "high")} for kind in ("genie", "last_action")
        )
        lines.append(
            f"ΔPSNR at t = {at + 1}: Genie's definition **{_estimate(genie, 2)}**, last action {_estimate(last, 2)}"
        )
    for metric in ("action_following", "action_accuracy"):
        if metric in numbers:
            rows = numbers[metric].items()
            said = ", ".join(f"{row} {_estimate(by['average'], 3)}" for row, by in rows if "average" in by)
            lines.append(f"{metric}: {said}")
    for metric, pooled in numbers.items():
        if isinstance(pooled, Mapping) and "floor" in pooled:
            rows = ", ".join(f"{row} {by['all']:.2f}" for row, by in pooled["rows"].items())
            lines.append(f"{metric} of {pooled['samples']}: {rows}; truth against truth {pooled['floor']:.2f}")
    drift = numbers.get("drift")
    if drift:
        for metric in ("psnr", "sharpness"):
            values = drift[metric]["model"]["mean"]
            said = ", ".join(f"{values[h - 1]:.2f} at {h}" for h in LONG if h <= len(values))
            lines.append(f"long dreams ({drift['clips']} clips), {metric}: {said}")
    seeds = numbers["sampling_seeds"]
    if len(seeds["seeds"]) > 1:
        spread = ", ".join(f"{name} ±{value:.3f}" for name, value in seeds["spread"].items())
        lines.append(f"spread over {len(seeds['seeds'])} sampling seeds (standard deviation): {spread}")
    return [line + "  " for line in lines]


def _estimate(value: Mapping[str, Any], digits: int) -> str:
    return f"{value['mean']:.{digits}f} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


if __name__ == "__main__":
    print("\n".join(tables(Path(name)) for name in sys.argv[1:]))
