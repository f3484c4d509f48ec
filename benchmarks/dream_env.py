"""Frames a second of a world as an environment: one dream, several in one call, with heads and without.

    python benchmarks/dream_env.py [--world FILE] [--counts 1 8 32] [--frames 96] [--rounds 3]

All settings run in turns, the median of the rounds is told, of processor time as of the clock: on a busy machine the
clock says how busy it was. Prints a table in Markdown.
"""

import argparse
import statistics
import time

import numpy as np

from genieredux.dreams.env import DreamVectorEnv
from genieredux.models.world.file import find_world, open_world


def measure(dreams: DreamVectorEnv, frames: int) -> tuple[float, float]:
    """Frames a second of processor time and of the clock; all dreams together."""
    steps = max(2, frames // dreams.num_envs)
    actions = np.random.default_rng(0).integers(5, size=(steps, dreams.num_envs))
    cpu, clock = time.process_time(), time.perf_counter()
    for taken in actions:
        dreams.step(taken)
    done = steps * dreams.num_envs
    return done / (time.process_time() - cpu), done / (time.perf_counter() - clock)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="coinrun")
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    world = open_world(find_world(options.world)).world
    ways = [(count, heads) for count in options.counts for heads in (False, True)]
    made = {way: DreamVectorEnv(world, None, way[0], heads=way[1]) for way in ways}
    for dreams in made.values():
        dreams.reset(seed=0)
        dreams.step(np.zeros(dreams.num_envs, np.int64))
    rounds = [{way: measure(dreams, options.frames) for way, dreams in made.items()} for _ in range(options.rounds)]
    print("| dreams | heads | frames/s of processor time | frames/s of the clock |\n|---|---|---|---|")
    for way in ways:
        cpu, clock = (statistics.median(found[way][k] for found in rounds) for k in (0, 1))
        print(f"| {way[0]} | {'yes' if way[1] else 'no'} | {cpu:.1f} | {clock:.1f} |")


if __name__ == "__main__":
    main()
