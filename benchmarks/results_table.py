"""The tables of docs/results.md from results.json files.

python benchmarks/results_table.py runs/demo/results.json [more ...]
"""

import json
import sys
from pathlib import Path
from typing import Any

ROWS = {"model": "world model", "repeat_last": "repeat the last frame", "tokenizer_only": "tokenizer only"}


def tables(path: Path) -> str:
    """Markdown: PSNR by horizon with the gain, then both delta PSNR, for every test set of one file."""
    found = json.loads(path.read_text())
    made = found.pop("made_by")
    lines = [f"`{path}`: seed {made['seed']}, {sum(made['seconds'].values()):.0f} s in all"]
    lines += ["  ".join(f"{name} {seconds:.0f} s" for name, seconds in made["seconds"].items()), ""]
    for name, result in found.items():
        horizons = len(result["psnr"]["model"])
        lines += [f"**{name}** ({result['clips']} clips of {result['episodes']} episodes), PSNR in dB by horizon", ""]
        lines += ["| | " + " | ".join(str(h + 1) for h in range(horizons)) + " | mean |", "|---" * (horizons + 2) + "|"]
        for row, label in ROWS.items():
            values = result["psnr"][row]
            lines.append(
                f"| {label} | " + " | ".join(f"{v:.2f}" for v in values) + f" | {sum(values) / horizons:.2f} |"
            )
        gain = result["gain"]["repeat_last"]
        cells = " | ".join(f"{v:+.2f}" for v in gain["mean"])
        lines.append(f"| gain over repeating | {cells} | {_estimate(gain['average'])} |")
        ssim = result["ssim"]["model"]
        lines.append("| SSIM of the model | " + " | ".join(f"{v:.3f}" for v in ssim) + " | |")
        lines += ["", *_below(result), ""]
    return "\n".join(lines)


def _below(result: dict[str, Any]) -> list[str]:
    """What stands under a table: delta PSNR, further metrics, the spread over sampling seeds."""
    lines = []
    delta = result["delta_psnr"]
    if delta:
        found = (
            f"Genie's definition **{_estimate(delta['genie'])}**, last action only {_estimate(delta['last_action'])}"
        )
        lines.append(f"ΔPSNR at t = {result['compare_at']}: {found}")
    for metric, rows in result["metrics"].items():
        means = ", ".join(f"{row} {sum(by['mean']) / len(by['mean']):.3f}" for row, by in rows.items())
        lines.append(f"{metric}, mean of all horizons: {means}")
    for metric, found in result["frechet"].items():
        rows = ", ".join(f"{row} {by['all']:.1f}" for row, by in found["rows"].items())
        lines.append(f"{metric} of {found['samples']}: {rows}; truth against truth {found['floor']:.1f}")
    seeds = result["sampling_seeds"]
    if len(seeds["seeds"]) > 1:
        spread = ", ".join(f"{name} ±{value:.3f}" for name, value in seeds["spread"].items())
        lines.append(f"Spread over {len(seeds['seeds'])} sampling seeds (standard deviation): {spread}")
    return [line + "  " for line in lines]


def _estimate(value: dict[str, Any]) -> str:
    return f"{value['mean']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]"


if __name__ == "__main__":
    print("\n".join(tables(Path(name)) for name in sys.argv[1:]))
