"""How fast episodes are collected, stored and fsynced: CoinRun, and Airstriker beside its bare emulator.

python benchmarks/collect.py [--frames 100000] [--steps 1500] [--workers 2]

The bare emulator runs in this same program just before and after the collection, one process, stepping only:
the ratio to it means more than either figure, and says what the worker, the resizing, the pipe and the store
cost.
"""

import argparse
import multiprocessing as mp
import os
import tempfile
import time
from statistics import median

from rich.console import Console
from rich.table import Table

from genieredux.collect import (
    CollectConfig,
    CollectSummary,
    ConnectorConfig,
    GeneratorConfig,
    SilentReporter,
    SplitConfig,
    collect,
)

GAME, SKIP = "Airstriker-Genesis", 4


def coinrun(frames: int, root: str) -> CollectSummary:
    """Half of the frames played at random, half with held actions, and two small test sets."""
    half = frames // 2
    splits = (
        SplitConfig("train", "random", n_instances=2000, n_frames=half),
        SplitConfig("train", "held", n_instances=2000, n_frames=half),
        SplitConfig("test.random", "random", start_level=100_000, n_instances=64, n_sessions=1),
        SplitConfig("test.held", "held", start_level=100_000, n_instances=64, n_sessions=1),
    )
    connector = ConnectorConfig(name="coinrun", kind="procgen", games=("coinrun",), splits=splits)
    return collect(CollectConfig(connector, root=root), SilentReporter())


def airstriker(steps: int, workers: int, root: str) -> CollectSummary:
    """About `steps` steps in every worker."""
    amounts = GeneratorConfig(n_sessions=workers * max(1, steps // 250), n_steps_max=250, n_workers=workers)
    connector = ConnectorConfig(name=f"air{workers}", games=(GAME,), generator_config=amounts)
    return collect(CollectConfig(connector, root=root), SilentReporter())


def bare_emulator(frames: int, answer: "mp.SimpleQueue[float]") -> None:
    """Frames per second of the emulator stepped with random buttons, no picture taken."""
    import numpy as np
    import stable_retro

    env = stable_retro.make(f"{GAME}-v0", render_mode="rgb_array")
    env.reset()
    masks = np.random.default_rng(0).integers(0, 2, (frames, env.num_buttons)).astype(np.uint8)
    began = time.perf_counter()
    for mask in masks:
        env.em.set_button_mask(mask, 0)
        env.em.step()
    answer.put(frames / (time.perf_counter() - began))


def measured_bare(frames: int) -> float:
    """The same in a process of its own: a live emulator here would be in the way of the workers."""
    context = mp.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=bare_emulator, args=(frames, answer))
    process.start()
    process.join()
    return answer.get()


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="CoinRun frames to collect")
    parser.add_argument("--steps", type=int, default=1500, help="Airstriker steps per worker")
    parser.add_argument("--workers", type=int, default=2, help="Airstriker workers of the second measurement")
    options = parser.parse_args()
    table = Table("job", "frames", "seconds", "saved frames/s", "per worker", "emulator frames/s", "of bare")
    with tempfile.TemporaryDirectory() as root:
        done = coinrun(options.frames, root)
        table.add_row(*_row("CoinRun, start included", done, 1)[:4], "", "", "")
        for workers in sorted({1, options.workers}):
            before = measured_bare(options.steps * SKIP)
            done = airstriker(options.steps, workers, root)
            bare = median((before, measured_bare(options.steps * SKIP)))
            emulated = done.frames_per_second * SKIP / workers
            row = _row(f"{GAME}, {workers} worker(s)", done, workers)
            table.add_row(*row, f"{emulated:,.0f} (bare {bare:,.0f})", f"{emulated / bare:.2f}")
    console = Console(width=130)
    console.print(table)
    console.print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")


def _row(label: str, done: CollectSummary, workers: int) -> tuple[str, ...]:
    rate = done.frames_per_second
    return label, f"{done.frames:,}", f"{done.seconds:.1f}", f"{rate:,.0f}", f"{rate / workers:,.0f}"


if __name__ == "__main__":
    main()
