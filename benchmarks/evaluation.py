"""Frames a second of an evaluation, of its metrics alone, and of a dream.

python benchmarks/evaluation.py                      a world without a network: the cost of everything around one
python benchmarks/evaluation.py --world world.pt     a trained world
"""

import argparse
import json
import resource
import time

import numpy as np
import torch

from genieredux.evaluation import Clips, EvalConfig, evaluate
from genieredux.evaluation.metrics import psnr, ssim
from genieredux.models.fake_world import FakeWorld
from genieredux.models.protocol import World


def make_clips(count: int, length: int, actions: int, image_size: int) -> Clips:
    """Clips of the tile game; what is in them does not change the speed."""
    rng = np.random.default_rng(0)
    game = FakeWorld(image_size=image_size)
    taken = rng.integers(0, min(actions, 5), (count, length - 1))
    frames = np.stack([game.play(row, seed, texture=0.1) for seed, row in enumerate(taken)])
    return Clips(frames, taken, np.arange(count) // 2)


def time_evaluation(world: World, clips: int, batch_size: int) -> dict[str, float]:
    """Predicted frames a second of the true rollouts, everything else that an evaluation does included."""
    config = EvalConfig(batch_size=batch_size)
    test = make_clips(clips, config.clip_length, len(world.action_names), world.image_size)
    began = time.perf_counter()
    evaluate(world, {"test": test}, config)
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
    dream = world.dream(frames[0], actions[0], 0)
    dream.step(0)
    times = []
    for step in range(steps):
        began = time.perf_counter()
        dream.step(step % len(world.action_names))
        times.append(time.perf_counter() - began)
    return {"dream_frames_per_s": steps / sum(times), "dream_slowest_ms": 1000 * max(times)}


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", help="file of a trained world (default: a world without a network)")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60, help="frames of the dream")
    options = parser.parse_args()
    world: World = FakeWorld(noise=0.05)
    if options.world:
        from genieredux.models.world_model import WorldModel

        world = WorldModel.load(options.world)
    found = {
        "world": options.world or "fake",
        "threads": torch.get_num_threads(),
        "clips": options.clips,
        **time_metrics(world.image_size),
        **time_dream(world, options.steps),
        **time_evaluation(world, options.clips, options.batch_size),
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({key: round(value, 1) if isinstance(value, float) else value for key, value in found.items()}))


if __name__ == "__main__":
    main()
