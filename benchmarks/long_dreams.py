"""Where long dreams of a world that carries over end up: place, travel, colour, and whether what comes back was there.

    python benchmarks/long_dreams.py runs/demo/world.pt runs/demo/datasets/coinrun_v0.0.0
    python benchmarks/long_dreams.py coinrun DATASET --frames 100 --clips 48 --sets test.random,test.held

Each clip is dreamt once from two true frames under the true actions. *Place* is the sum of a picture's motions: of the
dream its tokens, of the game what is measured between its frames. *Travel* is how far a picture is from where it began,
along an axis, the mean of clips. *Colour* is the difference of a frame's mean colours from the true frame's. *What
comes back* is the PSNR of a frame and one of 20 frames and more before, laid on each other by their places, where they
overlap by a quarter of the picture or more; around the agent nothing is compared. The truth beside it moves by itself
here and there, and is laid by measured places. Means over clips with bootstrap intervals of 95 %.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genieredux.episodes import Dataset
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Clips, cut_clips
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.world.file import find_world, load_world

GIVEN = 2
APART = 20
"""Frames between two that are laid on each other, at least."""
AROUND = 20
"""Side in pixels of the square in the middle that is not compared: the agent's."""
BATCH = 8


def main() -> None:
    """Print a table for each test set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("world", help="a file or folder, or the name of a world that ships")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--sets", default="test.random,test.held")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--clips", type=int, default=48)
    options = parser.parse_args()
    world, _ = load_world(find_world(options.world))
    dynamics = world.dynamics
    if not isinstance(dynamics, CanvasDynamics):
        parser.error(
            f"places are those of a canvas, and {options.world} is a world of tokens; take one that carries over"
        )
    for name in options.sets.split(","):
        length = GIVEN + options.frames
        clips = cut_clips(Dataset.open(options.dataset).select(split=name), length, options.clips, length)
        rows: dict[str, list[Tensor]] = {}
        for start in range(0, len(clips), BATCH):
            frames, actions = clips.batch(start, start + BATCH)
            made = world.rollout(frames[:, :GIVEN], actions, seed=list(range(start, start + len(frames))))
            places = dynamics.codes[made.tokens[:, -options.frames :, 0, 0]].cumsum(1)
            true = dynamics.shifts(frames)[:, GIVEN - 1 :].cumsum(1)
            for key, values in numbers(made.frames[:, -options.frames :], frames[:, GIVEN:], places, true).items():
                rows.setdefault(key, []).append(values)
        print(table(name, clips, rows), flush=True)


def numbers(dream: Tensor, truth: Tensor, places: Tensor, true: Tensor) -> dict[str, Tensor]:
    """What is said of each of B dreams of T frames (B, T, 3, H, W) with places (B, T, 2), beside the truth: (B,)."""
    last, shown = dream[:, -1], truth[:, -1]
    off = (places - true).abs()
    return {
        "PSNR of the last frame, dB": -10 * (last - shown).square().mean((1, 2, 3)).clamp_min(1e-6).log10(),
        "colour": (last.mean((2, 3)) - shown.mean((2, 3))).abs().mean(1),
        "off sideways, pixels": off[:, -1, 1],
        "off up or down, pixels": off[:, -1, 0],
        "travel sideways, dream": places[:, -1, 1].abs(),
        "travel sideways, game": true[:, -1, 1].abs(),
        "travel up or down, dream": places[:, -1, 0].abs(),
        "travel up or down, game": true[:, -1, 0].abs(),
        "what comes back, dream, dB": torch.stack([comes_back(*pair) for pair in zip(dream, places, strict=True)]),
        "what comes back, game, dB": torch.stack([comes_back(*pair) for pair in zip(truth, true, strict=True)]),
    }


def comes_back(frames: Tensor, places: Tensor) -> Tensor:
    """PSNR in dB of frames (T, 3, H, W) laid on those of APART and more frames before by places (T, 2), the mean of the
    pairs that overlap by a quarter; not a number where none does."""
    size = frames.shape[-1]
    middle = slice((size - AROUND) // 2, (size + AROUND) // 2)
    seen = torch.ones(1, size, size)
    seen[:, middle, middle] = 0
    found = []
    for late in range(APART, len(frames), 5):
        for early in range(0, late - APART + 1, 5):
            down, right = (places[late] - places[early]).round().long().tolist()
            common = max(0, size - abs(down)) * max(0, size - abs(right))
            if 4 * common < size * size or not (down or right):
                continue
            to = (..., slice(max(0, down), size + min(0, down)), slice(max(0, right), size + min(0, right)))
            of = (..., slice(max(0, -down), size + min(0, -down)), slice(max(0, -right), size + min(0, -right)))
            weights = seen[to] * seen[of]
            error = ((frames[late][to] - frames[early][of]).square() * weights).sum() / (3 * weights.sum())
            found.append(-10 * error.clamp_min(1e-6).log10())
    return torch.stack(found).mean() if found else torch.tensor(float("nan"))


def table(name: str, clips: Clips, rows: dict[str, list[Tensor]]) -> str:
    """In Markdown: the mean, its interval, the median."""
    lines = [f"**{name}** ({len(clips)} clips)\n", "| | mean | median |", "|---|---|---|"]
    for key, parts in rows.items():
        values = torch.cat(parts).double().numpy()
        there = np.isfinite(values)
        found = EpisodeBootstrap(clips.episodes[there], 2000, 0.95, 0).estimate(values[there])
        mean, low, high = (f"{float(getattr(found, part)):.2f}" for part in ("mean", "low", "high"))
        lines.append(f"| {key} | {mean} [{low}, {high}] | {np.median(values[there]):.2f} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
