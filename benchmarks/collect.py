"""How fast episodes are collected, stored and fsynced: CoinRun, and Airstriker beside its bare emulator.

python benchmarks/collect.py [--frames 100000] [--steps 1500] [--workers 2]

The bare emulator runs in this same program just before each collection, one process, stepping only: the ratio
to it means more than either figure, and says what the worker, the resizing, the pipe and the store cost. CPU
seconds say what a busy machine hides.
"""

import argparse
import multiprocessing as mp
import os
import resource
import tempfile
import time

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
from genieredux.envs.actions import CANONICAL, button_masks

GAME, SKIP = "Airstriker-Genesis", 4
_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


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


def bare_emulator(frames: int, answer: "mp.SimpleQueue[tuple[float, float]]") -> None:
    """Frames per second and per CPU second of the emulator with random actions, no picture or variable read."""
    import numpy as np
    import stable_retro

    env = stable_retro.make(f"{GAME}-v0", render_mode="rgb_array")
    env.reset()
    five = button_masks(CANONICAL, tuple(env.buttons), "Genesis")  # START would pause the game
    masks = five[np.random.default_rng(0).integers(len(five), size=frames // SKIP)].repeat(SKIP, axis=0)
    began, cpu = time.perf_counter(), time.process_time()
    for mask in masks:
        env.em.set_button_mask(mask, 0)
        env.em.step()
    answer.put((frames / (time.perf_counter() - began), frames / (time.process_time() - cpu)))


def measured_bare(frames: int) -> tuple[float, float]:
    """The same in a process of its own: a live emulator here would be in the way of the workers."""
    context = mp.get_context("spawn")
    answer = context.SimpleQueue()
    process = context.Process(target=bare_emulator, args=(frames, answer))
    process.start()
    process.join()
    return answer.get()


def cpu_seconds() -> float:
    """CPU time of this process, its threads, and its worker processes that have ended."""
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, _WHOSE))


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="CoinRun frames to collect")
    parser.add_argument("--steps", type=int, default=3000, help="Airstriker steps per worker")
    parser.add_argument("--workers", type=int, default=2, help="Airstriker workers of the second measurement")
    options = parser.parse_args()
    saved = Table("collected, start included", "frames", "seconds", "CPU s", "frames/s", "frames/s per worker")
    ratio = Table("emulator frames/s per worker", "collected", "bare", "ratio", "ratio of frames per CPU s")
    with tempfile.TemporaryDirectory() as root:
        began = cpu_seconds()
        done = coinrun(options.frames, root)
        saved.add_row("CoinRun", *_amounts(done, cpu_seconds() - began), "")
        for workers in sorted({1, options.workers}):
            label = f"{GAME}, {workers} worker{'s' * (workers > 1)}"
            bare, bare_cpu = measured_bare(options.steps * SKIP)
            began = cpu_seconds()
            done = airstriker(options.steps, workers, root)
            cpu = cpu_seconds() - began
            each = done.frames_per_second / workers
            saved.add_row(label, *_amounts(done, cpu), f"{each:,.0f}")
            per_cpu = done.frames * SKIP / cpu / bare_cpu
            ratio.add_row(label, f"{each * SKIP:,.0f}", f"{bare:,.0f}", f"{each * SKIP / bare:.2f}", f"{per_cpu:.2f}")
    console = Console(width=120)
    console.print(saved, ratio)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"peak memory of this process (its emulator workers not counted): {memory:.0f} MiB")
    console.print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")


def _amounts(done: CollectSummary, cpu: float) -> tuple[str, str, str, str]:
    return f"{done.frames:,}", f"{done.seconds:.1f}", f"{cpu:.1f}", f"{done.frames_per_second:,.0f}"


if __name__ == "__main__":
    main()
