"""Evaluated runs of fake worlds, for the tests of the page."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.evaluation import Clips, EvalConfig, evaluate
from genieredux.evaluation.subjects.control import control_grid
from genieredux.evaluation.writing import write_measured
from genieredux.models.world.fake import FakeWorld
from genieredux.report import PageWords, write

CONFIG = EvalConfig(resamples=50, keep_clips=1, keep_extremes=1)


def make_clips(
    episodes: int = 4,
    per_episode: int = 2,
    length: int = 12,
    seed: int = 0,
    texture: float = 0.1,
    held: bool = False,
) -> Clips:
    """Clips of a fake world, whose rules are known. held: one action all along."""
    world = FakeWorld()
    rng = np.random.default_rng(seed)
    frames, actions = [], []
    for clip in range(episodes * per_episode):
        count = 1 if held else length - 1
        taken = np.resize(rng.integers(0, len(world.action_names), count), length - 1)
        frames.append(world.play(taken, seed=1000 * seed + clip, texture=texture))
        actions.append(taken)
    return Clips(np.stack(frames), np.stack(actions), np.repeat(np.arange(episodes), per_episode))


def write_run(
    folder: Path,
    sets: Mapping[str, Clips],
    world: FakeWorld | None = None,
    config: EvalConfig = CONFIG,
    words: PageWords | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> Path:
    """What an evaluation of a fake world leaves, and its page."""
    world = world or FakeWorld(noise=0.05)
    said = {
        "config": asdict(config),
        "sampling": {"steps": 8, "temperature": 1.0},
        "seed": config.seed,
        "model": {"file": "a.pt", "kind": "fake"},
        "action_names": list(world.action_names),
        "dataset": {"name": "toy", "path": "x", "checksum": "0" * 64},
        "metrics": {"FID": {"missing": "its weights are not here"}},
        "environment": {"python": "3.11", "versions": {"torch": "2"}, "hardware": {"gpus": []}, "git": None},
        "seconds": {"test": 300.0},
        **(made_with or {}),
    }
    evaluation, last = evaluate(world, sets, config), list(sets.values())[-1]
    grid = control_grid(world, last, range(min(3, len(last))), config.prompt_frames, 12, config.seed)
    write_measured(folder, evaluation, said, grid)
    write(folder, words or PageWords(folder.name))
    return folder
