"""How fast episodes are collected, stored and synced: CoinRun, and Airstriker beside its bare emulator.

python benchmarks/collect.py [--frames 100000] [--steps 3000] [--workers 2] [--turn 250] [--rounds 9]

Airstriker is compared with what a plain loop over the emulator gives in this same run, in turns and as medians: one
process, `RetroEnv.step` four times with the action held, the last picture padded and area-resized to 64x64, nothing
stored. Beside it, the emulator's own step without picture or variables. CPU seconds say
what a busy machine hides. Of the whole jobs, the time until the first frames are there is told apart.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import stable_retro
from rich.console import Console
from rich.table import Table

from genieredux.collect import (
    CollectConfig,
    CollectSummary,
    ConnectorConfig,
    GeneratorConfig,
    SilentReporter,
    SplitConfig,
    Standing,
    collect,
)
from genieredux.collect.plan import plan_groups
from genieredux.collect.schedule import all_work
from genieredux.collect.tasks import Played
from genieredux.collect.worker import Worker
from genieredux.envs import describe, transform
from genieredux.envs.actions import CANONICAL, button_masks
from genieredux.episodes import Dataset

GAME, SKIP = "Airstriker-Genesis", 4
_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


class Rate(NamedTuple):
    """Kept frames per second, and per CPU second: the second depends less on other load."""

    wall: float
    cpu: float


class FirstFrames(SilentReporter):
    """Remembers when the first frames were reported, so that starting can be told from playing."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.frames = 0

    def update(self, standing: Standing) -> None:
        """See `SilentReporter`."""
        if self.at is None and standing.played:
            self.at, self.frames = time.perf_counter(), standing.played


def coinrun(frames: int, workers: int, root: str) -> tuple[CollectSummary, FirstFrames]:
    """Half of the frames played at random, half with held actions, and two small test sets."""
    half = frames // 2
    splits = (
        SplitConfig("train", "random", n_instances=2000, n_frames=half),
        SplitConfig("train", "held", n_instances=2000, n_frames=half),
        SplitConfig("test.random", "random", start_level=100_000, n_instances=64),
        SplitConfig("test.held", "held", start_level=100_000, n_instances=64),
    )
    amounts = GeneratorConfig(n_workers=workers)
    connector = ConnectorConfig(
        name="coinrun", kind="procgen", games=("coinrun",), splits=splits, generator_config=amounts
    )
    first = FirstFrames()
    return collect(CollectConfig(connector, root=root), first), first


def airstriker(steps: int, workers: int, root: str, name: str) -> tuple[CollectSummary, FirstFrames]:
    """About `steps` steps in every worker."""
    amounts = GeneratorConfig(n_sessions=workers * max(1, steps // 250), n_steps_max=250, n_workers=workers)
    connector = ConnectorConfig(name=name, games=(GAME,), generator_config=amounts)
    first = FirstFrames()
    return collect(CollectConfig(connector, root=root), first), first


def plain_loop(steps: int, bare: bool) -> Rate:
    """Kept frames of a plain loop over the emulator; `bare`: without picture and variables."""
    env = stable_retro.make(f"{GAME}-v0", render_mode="rgb_array")
    env.reset()
    five = button_masks(CANONICAL, tuple(env.buttons), "Genesis")  # START would pause the game
    masks = five[np.random.default_rng(0).integers(len(five), size=steps)]
    began, cpu = time.perf_counter(), time.process_time()
    for mask in masks:
        if bare:
            env.em.set_button_mask(mask, 0)
            for _ in range(SKIP):
                env.em.step()
            continue
        for _ in range(SKIP):
            picture, _, done, _, _ = env.step(mask)
            if done:
                env.reset()
                break
        transform(picture, 64)
    rate = Rate(steps / (time.perf_counter() - began), steps / (time.process_time() - cpu))
    env.close()
    return rate


def worker_alone(steps: int) -> Rate:
    """Kept frames of a worker that plays, compresses, and sends to nobody."""
    connector = ConnectorConfig(games=(GAME,), generator_config=GeneratorConfig(n_sessions=10**6, n_steps_max=250))
    cfg = CollectConfig(connector)
    work = all_work(cfg, plan_groups(cfg, {GAME: describe(connector.env(GAME))}), {})[0]
    worker, frames = Worker(), 0
    list(worker.run(work.task(())))  # opens the game
    began, cpu = time.perf_counter(), time.process_time()
    while frames < steps:
        for message in worker.run(work.task(work.ledger.take(1))):
            frames += message.episode.meta.length if isinstance(message, Played) else 0
    rate = Rate(frames / (time.perf_counter() - began), frames / (time.process_time() - cpu))
    worker.close()
    return rate


def emulator_table(steps: int, rounds: int) -> Table:
    """Worker and bare loops in turns, a few seconds in all; one emulator at a time is open in this process."""
    cv2.setNumThreads(1)
    loops: dict[str, Callable[[], Rate]] = {
        "bare: RetroEnv.step x 4, picture resized, nothing stored": lambda: plain_loop(steps, bare=False),
        "em.step x 4 alone: no picture, no variables": lambda: plain_loop(steps, bare=True),
        "worker: played, ground truth read, compressed": lambda: worker_alone(steps),
    }
    found: dict[str, list[Rate]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            found[name].append(loop())
    table = Table(f"{GAME}, skip {SKIP}, one process", "kept frames/s", "of bare", "per CPU s", "of bare", "25-75 %")
    plain = next(iter(found.values()))
    for name, rates in found.items():
        wall = [one.wall / other.wall for one, other in zip(rates, plain, strict=True)]
        cpu = [one.cpu / other.cpu for one, other in zip(rates, plain, strict=True)]
        low, high = np.quantile(cpu, [0.25, 0.75])
        table.add_row(
            name,
            f"{statistics.median(one.wall for one in rates):,.0f}",
            f"{statistics.median(wall):.2f}",
            f"{statistics.median(one.cpu for one in rates):,.0f}",
            f"{statistics.median(cpu):.2f}",
            f"{low:.2f}-{high:.2f}",
        )
    return table


def cpu_seconds() -> float:
    """CPU time of this process, its threads, and its worker processes that have ended."""
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, _WHOSE))


def job_row(label: str, workers: int, cpu: float, done: tuple[CollectSummary, FirstFrames]) -> list[str]:
    """One whole collection, and how fast it was once it had started."""
    summary, first = done
    stored = sum(file.stat().st_size for file in (Path(summary.path) / "episodes").iterdir())
    started = 0.0 if first.at is None else summary.seconds - (time.perf_counter() - first.at)
    steady = (summary.frames - first.frames) / max(summary.seconds - started, 1e-9)
    return [
        label,
        f"{summary.frames:,}",
        f"{summary.seconds:.1f}",
        f"{started:.1f}",
        f"{summary.frames_per_second:,.0f}",
        f"{steady:,.0f}",
        f"{steady / workers:,.0f}",
        f"{summary.frames / cpu:,.0f}",
        f"{stored / summary.frames:,.0f}",
    ]


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000, help="CoinRun frames to collect")
    parser.add_argument("--steps", type=int, default=3000, help="Airstriker steps per worker")
    parser.add_argument("--turn", type=int, default=250, help="steps of a turn, worker against bare loops")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9, help="how often they take turns")
    options = parser.parse_args()
    jobs = Table("whole job", "frames", "seconds", "start, s", "frames/s", "after start", "per worker")
    for title in ("per CPU s", "bytes/frame"):
        jobs.add_column(title)
    console = Console(width=140)
    with tempfile.TemporaryDirectory() as root:
        began = cpu_seconds()
        done = coinrun(options.frames, options.workers, root)
        jobs.add_row(*job_row("CoinRun", options.workers, cpu_seconds() - began, done))
        assert len(Dataset.open(done[0].path)) == done[0].total_episodes
        for workers in sorted({1, options.workers}):
            began = cpu_seconds()
            done = airstriker(options.steps, workers, root, f"air{workers}")
            label = f"{GAME}, {workers} worker{'s' * (workers > 1)}"
            jobs.add_row(*job_row(label, workers, cpu_seconds() - began, done))
    console.print(emulator_table(options.turn, options.rounds), jobs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    workers_memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    console.print(f"peak memory: {memory:.0f} MiB here, {workers_memory:.0f} MiB in the largest worker")
    console.print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")


if __name__ == "__main__":
    main()
