"""Frames a second of an evaluation, of its metrics alone, and of a dream.

python benchmarks/evaluation.py                             a world without a network: the cost of everything around one
python benchmarks/evaluation.py --world shipped --clips 1000     the world that ships; --world FILE: another one
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from genieredux.evaluation import Clips, EvalConfig, evaluate
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.measuring.evaluate import world_bench
from genieredux.evaluation.measuring.loop import Bench
from genieredux.evaluation.measuring.team import Team, together
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.metrics.ssim import ssim
from genieredux.evaluation.opening import Recipe
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.frames import psnr
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.file import shipped_world
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import World


def open_fake(rank: int) -> Bench:
    """The world without a network, for another process."""
    metrics = open_metrics((), Setting(EvalConfig())).metrics.values()
    return world_bench(WorldSubject(FakeWorld(noise=0.05), EvalConfig()), list(metrics))


def make_clips(count: int, length: int, actions: int, image_size: int) -> Clips:
    """Clips of the tile game; what is in them does not change the speed."""
    rng = np.random.default_rng(0)
    game = FakeWorld(image_size=image_size)
    taken = rng.integers(0, min(actions, 5), (count, length - 1))
    frames = np.stack([game.play(row, seed, texture=0.1) for seed, row in enumerate(taken)])
    return Clips(frames, taken, np.arange(count) // 2)


def time_evaluation(world: World, clips: int, batch_size: int, team: Team | None) -> dict[str, float]:
    """Predicted frames a second of the true rollouts, everything else that an evaluation does included."""
    config = EvalConfig(batch_size=batch_size)
    test = make_clips(clips, config.clip_length, len(world.action_names), world.image_size)
    began = time.perf_counter()
    evaluate(world, {"test": test}, config, team=team)
    seconds = time.perf_counter() - began
    return {"evaluation_s": seconds, "evaluated_frames_per_s": clips * config.horizon / seconds}


def time_metrics(image_size: int, frames: int = 320) -> dict[str, float]:
    """Frames a second of each metric."""
    a, b = torch.rand(2, frames, 3, image_size, image_size)
    found = {}
    for name, metric in (("psnr", psnr), ("ssim", ssim)):
        metric(a, b)
        began = time.perf_counter()
        metric(a, b)
        found[f"{name}_frames_per_s"] = frames / (time.perf_counter() - began)
    return found


def time_dream(world: World, steps: int) -> dict[str, float]:
    """Frames a second of one live rollout, and its slowest frame after the first."""
    clips = make_clips(1, 2, len(world.action_names), world.image_size)
    frames, actions = clips.batch(0, 1)
    dream = world.dream(frames[:1], actions[:1])
    dream.step(torch.tensor([0]))
    times = []
    for step in range(steps):
        began = time.perf_counter()
        dream.step(torch.tensor([step % len(world.action_names)]))
        times.append(time.perf_counter() - began)
    return {"dream_frames_per_s": steps / sum(times), "dream_slowest_ms": 1000 * max(times)}


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", help="`shipped`, or the file of a trained world (default: one without a network)")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60, help="frames of the dream")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    world: World = FakeWorld(noise=0.05)
    open_bench: Callable[[int], Bench] = open_fake
    precision = "32"
    if options.world:
        path = shipped_world() if options.world == "shipped" else options.world
        world = WorldModel.load(path).use_precision("32")
        precision = world.precision
        open_bench = Recipe(Path(path), "genie_redux_guided", EvalJobConfig(), "cpu", (), Setting(EvalConfig()))
    with ExitStack() as stack:
        team = stack.enter_context(together(open_bench, options.processes)) if options.processes > 1 else None
        measured = time_evaluation(world, options.clips, options.batch_size, team)
    found = {
        "world": options.world or "fake",
        "precision": precision,
        "threads": torch.get_num_threads(),
        "processes": options.processes,
        "clips": options.clips,
        **measured,
        **time_metrics(world.image_size),
        **time_dream(world, options.steps),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({key: round(value, 1) if isinstance(value, float) else value for key, value in found.items()}))


if __name__ == "__main__":
    main()
