"""What every preset takes on this machine: parameters, memory, time of a step and of the whole run.

    python benchmarks/presets.py                      # all twelve; some twenty minutes on two CPU cores
    python benchmarks/presets.py tiny base/dynamics   # these only
    python benchmarks/presets.py tiny train.precision=bf16

Each is looked at as `genieredux doctor config=presets/...` does, in a process of its own, because a process's peak
memory never falls. Prints a Markdown table, row by row.
"""

import multiprocessing
import sys
from collections.abc import Sequence

from genieredux.cli.compose import compose_config
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.training.doctor import Diagnosis, diagnose

SIZES = ("tiny", "small", "base")
PARTS = ("tokenizer", "dynamics", "lam", "genie_redux")
HEAD = ("preset", "parameters trained", "measured with", "precision", "memory, GiB", "s per clip", "TFLOP per update")
HEAD += ("s per update", "updates", "hours", "MFU %")


def look_at(preset: str, words: Sequence[str]) -> Diagnosis:
    """Of presets/`preset`, with the other words of the command."""
    return diagnose(compose_config("genie_redux", GenieReduxCommand, [f"config=presets/{preset}", *words]))


def row(preset: str, found: Diagnosis) -> list[str]:
    """What HEAD names."""
    return [
        preset,
        f"{found.trained:,}",
        found.batch,
        found.precision,
        f"{found.memory / 2**30:.2f}",
        f"{found.clip_s:.3g}",
        f"{found.flops / 1e12:.3g}",
        f"{found.step_s:.3g}",
        f"{found.steps:,}",
        f"{found.total_s / 3600:,.1f}",
        f"{100 * found.mfu:.0f}",
    ]


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(words: Sequence[str]) -> None:
    wanted = [word for word in words if "=" not in word] or list(SIZES)
    presets = [f"{size}/{part}" for size in SIZES for part in PARTS]
    chosen = [name for name in presets if name in wanted or name.split("/", maxsplit=1)[0] in wanted]
    if unknown := [word for word in wanted if not any(name.startswith(word) for name in chosen)]:
        sys.exit(f"no preset {unknown[0]}; there are {', '.join(presets)}")
    settings = [word for word in words if "=" in word]
    sys.stdout.write("\n".join((line(HEAD), line(["---"] * len(HEAD)))) + "\n")
    for preset in chosen:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            found = process.apply(look_at, (preset, settings))
        sys.stdout.write(line(row(preset, found)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
