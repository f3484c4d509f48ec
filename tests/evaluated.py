"""Evaluated runs of fake worlds, for the tests of the page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genieredux.evaluation import Clips, EvalConfig
from genieredux.evaluation.job import measure
from genieredux.evaluation.report import Report
from genieredux.evaluation.writing import write_measured
from genieredux.models.world.fake import FakeWorld

CONFIG = EvalConfig(resamples=50, keep_clips=1, keep_extremes=1)


def write_run(
    folder: Path,
    sets: Mapping[str, Clips],
    world: FakeWorld | None = None,
    config: EvalConfig = CONFIG,
    report: Report | None = None,
    made_with: Mapping[str, Any] | None = None,
) -> Path:
    """What an evaluation of a fake world leaves."""
    world = world or FakeWorld(noise=0.05)
    said = {
        "config": {"eval": config.to_json()},
        "sampling": {"steps": 8, "temperature": 1.0},
        "seed": config.seed,
        "model": {"file": "a.pt", "kind": "fake"},
        "action_names": list(world.action_names),
        "dataset": {"name": "toy", "path": "x", "checksum": "0" * 64},
        "networks": {"FID": {"missing": "its weights are not here"}},
        "environment": {"python": "3.11", "versions": {"torch": "2"}, "hardware": {"gpus": []}, "git": None},
        "seconds": {"test": 300.0},
        **(made_with or {}),
    }
    write_measured(folder, measure(world, sets, config), report or Report(folder.name), said)
    return folder
