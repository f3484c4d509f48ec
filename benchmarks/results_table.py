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
        delta = result["delta_psnr"]
        lines += ["", f"ΔPSNR at t = 4: Genie's definition **{_estimate(delta['genie'])}**, last action only "]
        lines[-1] += f"{_estimate(delta['last_action'])}"
        lines.append("")
    return "\n".join(lines)


def _estimate(value: dict[str, Any]) -> str:
    return f"{value['mean']:+.2f} [{value['low']:+.2f}, {value['high']:+.2f}]"


if __name__ == "__main__":
    print("\n".join(tables(Path(name)) for name in sys.argv[1:]))
