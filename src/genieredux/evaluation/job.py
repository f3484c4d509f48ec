"""Measure a world on the test splits of a data set and leave a folder that says it: numbers, films, a page."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.clips import Clips, cut_clips
from genieredux.evaluation.config import EvalConfig, EvalJobConfig
from genieredux.evaluation.control import ControlGrid, control_grid
from genieredux.evaluation.evaluate import Progress, evaluate
from genieredux.evaluation.media import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.evaluation.report import Report, write_report
from genieredux.evaluation.results import Evaluation, KeptClips
from genieredux.models.protocol import World
from genieredux.models.world_model import WorldModel
from genieredux.runs import describe_environment
from genieredux.runs.files import write_atomically


@dataclass(frozen=True)
class Measured:
    """A measured world and pictures of it."""

    evaluation: Evaluation
    control: ControlGrid


@dataclass(frozen=True)
class Written:
    """The files that `write_measured` left."""

    report: Path
    results: Path
    film: Path
    strips: tuple[Path, ...] = field(default_factory=tuple)


def test_sets(dataset: Dataset, split: str, config: EvalConfig, num_clips: int) -> dict[str, Clips]:
    """At most num_clips clips of each test split: the one called `split`, or those called `split.*`.

    Raises UserError when there is none, or when the world's actions could not be the data set's.
    """
    names = sorted(set(dataset.index["split"].to_pylist()))
    chosen = [name for name in names if name == split or name.startswith(f"{split}.")]
    if not chosen:
        raise UserError(f"{dataset.path} has no split '{split}'; it has: {', '.join(names)}")
    return {
        name: cut_clips(dataset.select(split=name), config.clip_length, num_clips, seed=config.seed) for name in chosen
    }


def check_actions(world: World, dataset: Dataset) -> None:
    """Raise UserError unless the world was trained on the actions of the data set, in their order."""
    if tuple(world.action_names) != tuple(dataset.spec.action_names):
        raise UserError(
            f"the world's actions ({', '.join(world.action_names)}) are not those of {dataset.path} "
            f"({', '.join(dataset.spec.action_names)}); evaluate it on a data set with its actions"
        )


def measure(
    world: World,
    sets: Mapping[str, Clips],
    config: EvalConfig,
    sampling: Any = None,
    progress: Progress | None = None,
) -> Measured:
    """Evaluate on every test set, and dream every action from three prompts of the last of them."""
    evaluation = evaluate(world, sets, config, sampling, progress)
    clips = list(sets.values())[-1]
    rows = np.linspace(0, len(clips) - 1, min(3, len(clips))).astype(int).tolist()
    grid = control_grid(world, clips, rows, config.prompt_frames, 12, config.seed, sampling)
    return Measured(evaluation, grid)


def write_measured(folder: Path, measured: Measured, report: Report, made_by: Mapping[str, Any]) -> Written:
    """Write results.json, the films and strips below media/, and report.html; each whole or not at all."""
    config = measured.evaluation.config
    text = json.dumps({**measured.evaluation.to_json(), "made_by": dict(made_by)}, indent=2)
    results = write_atomically(folder / "results.json", lambda file: _write(file, text))
    (folder / "media").mkdir(parents=True, exist_ok=True)
    strips, films = [], []
    for name, result in measured.evaluation.sets.items():
        if result.kept is None:
            continue
        rows = {"truth": result.kept.truth[0], "dream": result.kept.model[0]}
        labels = column_labels(config.prompt_frames, config.clip_length)
        strips.append(write_png(folder / "media" / f"{name}.png", filmstrip(rows, labels)))
        films += _films(folder / "media" / name, result.kept)
    if not films:
        raise UserError("eval.keep_clips is 0, so there is nothing to show; set it to 1 or more")
    return Written(write_report(folder / "report.html", report), results, films[0], tuple(strips))


def _write(file: BinaryIO, text: str) -> None:
    file.write(text.encode())


def _films(stem: Path, kept: KeptClips) -> list[Path]:
    """All kept clips one after another, truth beside dream, as GIF and mp4."""
    joined = [
        panels(
            {
                "truth": truth,
                "dream": dream,
                "tokenizer only": ceiling,
                "other actions": other,
            }
        )
        for truth, dream, ceiling, other in zip(
            kept.truth, kept.model, kept.tokenizer_only, kept.random_actions, strict=True
        )
    ]
    film = np.concatenate(joined)
    return [write_loop(Path(f"{stem}{suffix}"), film) for suffix in (".gif", ".mp4")]


def evaluate_file(config: EvalJobConfig, dataset_path: str, progress: Progress | None = None) -> Written:
    """Measure the world in config.model_fpath on a data set. Raises UserError for what does not fit."""
    if not config.model_fpath:
        raise UserError("eval.model_fpath is not set; give the world to measure, such as runs/demo/world.pt")
    world = WorldModel.load(config.model_fpath).use_precision("auto")
    dataset = Dataset.open(dataset_path)
    check_actions(world, dataset)
    sets = test_sets(dataset, config.split, config, config.num_clips)
    sampling = world.sampling.changed(config.inference_steps, config.temperature, config.choice)
    measured = measure(world, sets, config, sampling, progress)
    environment = describe_environment()
    settings = asdict(config)
    report = Report(
        title=f"{Path(config.model_fpath).stem} on {dataset.spec.name}",
        summary="What the game did, and what the world model dreamed from the same frames and actions.",
        evaluation=measured.evaluation,
        action_names=world.action_names,
        control=measured.control,
        config={"eval": settings, "sampling": asdict(sampling), "world": world.config},
        environment=environment,
        seconds=measured.evaluation.seconds,
    )
    folder = Path(config.save_root_dpath) / Path(config.model_fpath).stem / dataset.spec.name
    made_by = {
        "config": settings,
        "sampling": asdict(sampling),
        "seed": config.seed,
        "environment": environment,
        "seconds": measured.evaluation.seconds,
    }
    return write_measured(folder, measured, report, made_by)
