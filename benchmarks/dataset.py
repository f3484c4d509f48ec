"""Data sets as they are collected: bytes per frame and random windows per second of two scrolling games, and how long
a data set of many episodes takes to open.

python benchmarks/dataset.py [--frames 20000] [--steps 2000] [--episodes 10000] [--num-frames 16] [--seconds 2]

The large data set is fabricated: all its episodes show the same few frames.
Opening is measured in a fresh process, without and with the importing of libraries.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SilentReporter, SplitConfig, collect
from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Episode, encode_episode
from genieredux.episodes.index import EPISODES_FOLDER, IndexRow, write_index
from windows import windows_rate

_OPEN = """
import time
began = time.perf_counter()
from genieredux.episodes import Dataset
imported = time.perf_counter()
data = Dataset.open({path!r})
opened = time.perf_counter()
data.clip(len(data) // 2, 0, 16)
print(len(data), imported - began, opened - imported, time.perf_counter() - opened)
"""


def fabricate(root: Path, episodes: int) -> Path:
    """A data set of so many small episodes of 33 games."""
    names = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    path = root / "many"
    with DatasetWriter(path, DatasetSpec("many", 64, names)):
        pass
    generator = np.random.default_rng(0)
    episode = Episode(
        frames=generator.integers(256, size=(20, 64, 64, 3), dtype=np.uint8),
        actions=generator.integers(5, size=19),
        rewards=np.zeros(19, np.float32),
        terminated=False,
        truncated=True,
        info={"lives": np.zeros(20, np.int64), "score": np.zeros(20, np.int64)},
        tags=("side", "free", "pl"),
        id="first",
    )
    rows = []
    for number in range(episodes):
        episode_id = f"Game{number % 33}-Console-train-random-s0-{number:06d}"
        file = f"{EPISODES_FOLDER}/{episode_id}.parquet"
        encoded = encode_episode(replace(episode, id=episode_id, game=f"Game{number % 33}"), len(names))
        (path / file).write_bytes(encoded.content)
        rows.append(IndexRow(encoded.meta, file, 0, encoded.size))
    write_index(path, rows)
    return path


def opening_table(path: Path, rounds: int) -> Table:
    """Medians over fresh processes."""
    taken = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _OPEN.format(path=str(path))]
        words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        taken.append([float(word) for word in words])
    episodes, imports, opened, first = np.median(taken, axis=0)
    table = Table("episodes", "open, s", "first read after that, s", "importing before, s")
    table.add_row(f"{episodes:,.0f}", f"{opened:.3f}", f"{first:.3f}", f"{imports:.2f}")
    return table


def played(name: str, kind: str, game: str, frames: int, root: Path) -> Dataset:
    """At least so many frames of random play."""
    splits = (SplitConfig("train", n_instances=2000, n_frames=frames),)
    amounts = GeneratorConfig(n_steps_max=500)
    connector = ConnectorConfig(name=name, kind=kind, games=(game,), splits=splits, generator_config=amounts)
    return Dataset.open(collect(CollectConfig(connector, root=str(root)), SilentReporter()).path)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000, help="CoinRun frames")
    parser.add_argument("--steps", type=int, default=2_000, help="Airstriker frames")
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--num-frames", type=int, default=16, help="frames of a window")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    games = Table("game", "frames", "bytes/frame", "raw", "windows/s", "windows/s per CPU second")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, kind, game, frames in (
            ("CoinRun", "procgen", "coinrun", options.frames),
            ("Airstriker-Genesis", "retro", "Airstriker-Genesis", options.steps),
        ):
            data = played(name, kind, game, frames, root)
            total = int(data.lengths.sum())
            stored = sum(data.index["bytes"].to_pylist())
            rate = windows_rate(data, options.num_frames, options.seconds)
            games.add_row(
                name, f"{total:,}", f"{stored / total:,.0f}", "12,288", f"{rate.wall:,.0f}", f"{rate.cpu:,.0f}"
            )
        opening = opening_table(fabricate(root, options.episodes), options.rounds)
    console = Console(width=120)
    console.print(games, opening)
    console.print(f"load average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")


if __name__ == "__main__":
    main()
