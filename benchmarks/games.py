"""The demo's world beside the world of tokens, both untuned, on other games and seeds, in the same seconds of training.

    python benchmarks/games.py --games climber,ninja,airstriker,hero --seconds 400 --out runs/games
    python benchmarks/games.py --games coinrun --seeds 0,1 --seconds 450 --worlds canvas,tokens --out runs/games
    python benchmarks/games.py --games coinrun --seconds 300 --worlds before,before-actor --out runs/games-300

The worlds of a game are made two at a time, each by one core of its own, from equal data (the same seeds play the
same levels), and measured on the same clips, which training never saw. `base` is the best world of tokens in
benchmarks/study.py; the others differ from `canvas` in what CHANGES says, and in nothing else. What is there is not
made again. The table is in Markdown; films lie in the folders (GAME-SEED-ARCHITECTURE/media).
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import study
from genieredux.evaluation.compare import Comparison, compare
from genieredux.evaluation.numbers import read_parquet

ROOT = Path(__file__).resolve().parents[1]
_THEN = ("dreamt=0", "whole_pixels=false", "optimizer.kind=adamw", "optimizer.learning_rate=1.5e-3")
_BEFORE = (*_THEN, "continued=0", "chains=[4,6,12]")
CHANGES: dict[str, tuple[str, ...]] = {
    "canvas": (),
    "between": ("whole_pixels=false",),
    "adamw": ("dreamt=0", *_THEN[2:]),
    "no-dreams": ("dreamt=0",),
    "small-prior": ("motion_width=64",),
    "no-edges": ("edges_weight=0",),
    "new-as-old": ("new_weight=0",),
    "then": _THEN,
    "then-dreams": _THEN[1:],
    "one-frame": (*_THEN, "continued=0"),
    "before": _BEFORE,
    "before-actor": (*_BEFORE, "actor=0"),
    "before-memory": (*_BEFORE, "margin=8"),
    "before-long": (*_THEN, "continued=0", "chains=[12]"),
    "before-codes": (*_BEFORE, "codebook_size=32"),
    "before-noise": (*_BEFORE, "noise=0"),
    "before-half": (*_BEFORE, "painted=0.5"),
}
"""World -> what its dynamics and its training have otherwise than the demo's; `then` and `before`: the demo's as it
was, and what these lack."""
TOKENS = {
    "tokens": (),
    "base": (
        *(f"tokenizer.tokenizer.{key}={value}" for key, value in study.TOKENIZER.items()),
        *(f"dynamics.dynamics.{key}={value}" for key, value in study.DYNAMICS.items()),
        "dynamics.train.batch_size=4",
    ),
}
"""World of tokens -> what it has otherwise than the demo of tokens."""
TOKENIZER_SHARE = 0.24
"""Of the seconds of a world of tokens: what the demo gives its tokenizer."""
_SESSIONS = (
    "connector.splits=[{name: train, variant: random, n_sessions: 20}, {name: train, variant: held, n_sessions: 20}, "
)
_SESSIONS += "{name: test.random, variant: random, n_sessions: 8}, {name: test.held, variant: held, n_sessions: 8}]"
_ARROWS = "connector.action_names=[RIGHT, LEFT, UP, DOWN, ACTION_JUMP]"
WORDS = {
    "coinrun": (),
    "climber": ("connector.name=climber", "connector.games=[climber]"),
    "ninja": ("connector.name=ninja", "connector.games=[ninja]"),
    "jumper": ("connector.name=jumper", "connector.games=[jumper]"),
    "airstriker": (
        *("connector.name=airstriker", "connector.kind=retro", "connector.games=[Airstriker-Genesis]", _SESSIONS),
        *("connector.n_skip_frames=4", "connector.tags={Airstriker-Genesis: [top, h, space_shooter]}"),
    ),
    "hero": (
        *("connector.name=hero", "connector.kind=ale", "connector.games=[hero]", _SESSIONS, _ARROWS),
        "connector.n_skip_frames=4",
    ),
}


def main() -> None:
    """Make what is not there, then print the table of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", default="climber,ninja,airstriker,hero", help=f"of {', '.join(WORDS)}")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--seconds", type=float, default=400.0, help="of training, of each world")
    parser.add_argument("--worlds", default="canvas,tokens", help=f"of {', '.join([*CHANGES, *TOKENS])}")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/games"))
    options = parser.parse_args()
    rows, less = [], []
    for game in options.games.split(","):
        for seed in options.seeds.split(","):
            folders = make(game, int(seed), options)
            rows += [
                row for architecture, folder in folders.items() for row in measured(game, seed, architecture, folder)
            ]
            less += differences(game, seed, folders)
            print(table(rows), table(less, LESS), sep="\n\n", flush=True)


def make(game: str, seed: int, options: argparse.Namespace) -> dict[str, Path]:
    """The worlds of a game, two at a time; world -> the demo's folder."""
    folders = {name: options.out / f"{game}-{seed}-{name}" for name in options.worlds.split(",")}
    for first in range(0, len(folders), 2):
        running = []
        for core, (name, folder) in enumerate(list(folders.items())[first : first + 2]):
            words = [f"out={folder}", f"seed={seed}", f"num_clips={options.clips}", "metrics=[ST-LPIPS]"]
            words += ["eval.drift_frames=100", "eval.drift_clips=16", *WORDS[game], *_world(name, options.seconds)]
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "said.txt").open("a") as said:
                command = [sys.executable, str(ROOT / "run.py"), "demo", *words]
                running.append((folder, subprocess.Popen(_on_core(core, command), stdout=said, stderr=said)))
        for folder, process in running:
            if process.wait() != 0:
                sys.exit(f"{folder}: it ended with {process.returncode}; see {folder / 'said.txt'}")
    return folders


def _world(name: str, seconds: float) -> list[str]:
    """The words of a world, and of how long it trains."""
    if name in CHANGES:
        changes = [f"dynamics.{_part(change)}{change}" for change in CHANGES[name]]
        return ["config=quickstart/coinrun", f"dynamics.train.time_limit_s={seconds}", *changes]
    first = TOKENIZER_SHARE * seconds
    limits = [f"tokenizer.train.time_limit_s={first}", f"dynamics.train.time_limit_s={seconds - first}"]
    return ["config=quickstart/coinrun_tokens", *limits, *TOKENS[name]]


def _part(change: str) -> str:
    return "" if change.startswith("optimizer.") else "dynamics."


def _on_core(number: int, command: list[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[number % len(cores)]), "env", "OMP_NUM_THREADS=1", *command]


def measured(game: str, seed: str, architecture: str, folder: Path) -> list[str]:
    """A row for each test set."""
    results = json.loads((folder / "results.json").read_text())
    return [
        f"| {game} | {seed} | {name} | {architecture} | {_cells(numbers)} |"
        for name, numbers in results.items()
        if isinstance(numbers, Mapping) and "clips" in numbers
    ]


def _cells(numbers: Mapping[str, Any]) -> str:
    at = numbers["compare_at"] - 1
    delta = {key: numbers["delta_psnr"]["genie"][key][at] for key in ("mean", "low", "high")}
    lpips = next((value for name, value in numbers.items() if name.startswith("ST-LPIPS")), None)
    cells = [
        _estimate(numbers["gain"]["repeat_last"]["average"]),
        "" if lpips is None else " / ".join(f"{lpips[row]['average']['mean']:.3f}" for row in ("model", "repeat_last")),
        f"{numbers['sharpness']['model']['mean'][-1]:.2f}",
        _estimate(delta),
    ]
    drift = numbers.get("drift")
    if drift:
        cells.append(" / ".join(f"{drift[name]['model']['mean'][-1]:.2f}" for name in ("psnr", "sharpness")))
    return " | ".join(cells)


def _estimate(value: Mapping[str, Any], digits: int = 2) -> str:
    mean, low, high = (f"{float(value[key]):.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean if mean.startswith('-') else '+' + mean} [{low}, {high}]"


def differences(game: str, seed: str, folders: Mapping[str, Path]) -> list[str]:
    """A row for each test set of each world but the first: what it has more than that, on the same clips."""
    (usual, folder), *others = folders.items()
    first = read_parquet(folder / "clips.parquet")
    rows = []
    for name, other in others:
        for played, found in compare(first, read_parquet(other / "clips.parquet")).items():
            rows.append(f"| {game} | {seed} | {played} | {name} less {usual} | {_difference(found)} |")
    return rows


def _difference(found: Comparison) -> str:
    lpips = next((name for name in found.differences if name.startswith("ST-LPIPS")), None)
    cells = [_estimate(vars(found.differences["psnr"]["model"].average))]
    cells.append("" if lpips is None else _estimate(vars(found.differences[lpips]["model"].average), 3))
    cells.append(f"{float(found.differences['sharpness']['model'].by_horizon.mean[-1]):+.2f}")
    return " | ".join(cells)


LESS = "| game | seed | played | worlds | PSNR, dB | ST-LPIPS | sharpness, last |"
HEAD = "| game | seed | played | world | gain over repeating, dB | ST-LPIPS, world / repeating | sharpness, last | "
HEAD += "ΔPSNR | frame 100: PSNR / sharpness |"


def table(rows: list[str], head: str = HEAD) -> str:
    """In Markdown."""
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *rows])


if __name__ == "__main__":
    main()
