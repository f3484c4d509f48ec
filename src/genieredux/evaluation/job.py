"""`genie_redux eval`: measure the model in a file on the test splits of a data set, and leave a folder that says it.

What the file holds (a world, a tokenizer, a latent action model) decides which subject is drawn; everything else is one
way for all. It makes no page: whoever calls it does, from the folder (genieredux/report).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.clips.testsets import by_codes, check_actions, describe_data, drift_sets, sets_to_test
from genieredux.evaluation.config import REPLICATE, EvalConfig, EvalJobConfig
from genieredux.evaluation.headline import Evaluated, headline
from genieredux.evaluation.measuring.evaluate import Progress, check_clips, measure_sets
from genieredux.evaluation.measuring.loop import Bench
from genieredux.evaluation.measuring.team import Alone, Team, together
from genieredux.evaluation.metrics.opening import Opened, open_metrics
from genieredux.evaluation.opening import (
    Recipe,
    bench_of,
    choose_device,
    choose_precision,
    choose_sampling,
    model_name,
    open_checkpoint,
    open_subject,
    setting_of,
    truth_cache,
)
from genieredux.evaluation.steering import hold_action
from genieredux.evaluation.subjects.control import control_grid
from genieredux.evaluation.subjects.drawn import Subject
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.evaluation.writing import RESULTS, held_for_writing, write_measured
from genieredux.models.checkpoint import CheckpointData
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import World
from genieredux.runs import describe_environment

GRID_PROMPTS, GRID_FRAMES = 3, 12
"""Of the grid of held actions: prompts, and frames dreamed after each."""


def evaluate_file(
    config: EvalJobConfig,
    dataset: Dataset,
    progress: Progress | None = None,
    fallback: str | None = None,
    folder: Path | None = None,
) -> Evaluated:
    """Measure the model in config.model_fpath (or else `fallback`) on a data set; folder: where the results go, by
    default as the configuration says. Raises UserError for what does not fit; nothing is written then.
    """
    if not config.keep_clips:
        raise UserError("eval.keep_clips is 0, so there would be nothing to show; set it to 1 or more")
    data = open_checkpoint(config, fallback)
    folder = folder or Path(config.save_root_dpath) / model_name(data.path) / dataset.spec.name
    device = choose_device(config.accelerator)
    _check_size(data, dataset)
    subject = open_subject(data.path, data.kind, config, device)
    world = subject.world if isinstance(subject, WorldSubject) else None
    sampling: Sampling | None = None
    if isinstance(world, WorldModel):
        _check_world(world, dataset, config, data.path)
        sampling = choose_sampling(world, config)
        subject = WorldSubject(world, config, sampling)
    sets = sets_to_test(dataset, config.split, config, config.num_clips)
    long = drift_sets(dataset, config.split, config) if config.drift_frames and world else {}
    if isinstance(world, WorldModel):
        if config.latent_actions:
            sets, long = by_codes(world, sets), by_codes(world, long)
        for name, clips in sets.items():
            check_clips(world, name, clips, config.prompt_frames, config.clip_length)
    action_names = tuple(world.action_names) if world else tuple(dataset.spec.action_names)
    setting = setting_of(config, dataset, device, action_names, subject)
    if config.action_to_take != REPLICATE:
        if not isinstance(subject, WorldSubject):
            raise UserError("eval.action_to_take holds an action of a world, and this file is none; leave it out")
        return hold_action(subject, setting, sampling, config, sets, folder)
    with held_for_writing(folder):
        opened = open_metrics(config.metrics, setting)
        bench = bench_of(subject, list(opened.metrics.values()))
        alone = replace(setting, subject=None, dataset=None)
        recipe = Recipe(data.path, data.kind, config, device, tuple(opened.metrics), alone, sampling, opened.share())
        truths = truth_cache(config, data.sections.get("tokenizer", data.model)) if world else None
        with _team(bench, recipe, config) as team:
            evaluation = measure_sets(bench, sets, config, action_names, progress, team=team, cache=truths, long=long)
        grid = _grid(world, sets, config, sampling) if world else None
        made_by = _made_by(config, data, dataset, subject, sampling, opened, device, action_names, evaluation.seconds)
        film = write_measured(folder, evaluation, made_by, grid)
    return Evaluated(folder, folder / RESULTS, film, headline(evaluation, config, sampling))


def _grid(world: World, sets: Mapping[str, Clips], config: EvalConfig, sampling: Any) -> Any:
    clips = list(sets.values())[-1]
    rows = np.linspace(0, len(clips) - 1, min(GRID_PROMPTS, len(clips))).astype(int).tolist()
    return control_grid(world, clips, rows, config.prompt_frames, GRID_FRAMES, config.seed, sampling)


def _check_size(data: CheckpointData, dataset: Dataset) -> None:
    """A world says its own size later."""
    size = data.config.get("image_size", dataset.spec.image_size)
    if size != dataset.spec.image_size:
        raise UserError(
            f"{data.path} is for frames of {size}x{size}, those of {dataset.path} are {dataset.spec.image_size}x"
            f"{dataset.spec.image_size}: evaluate it on a data set of its size"
        )


def _check_world(world: WorldModel, dataset: Dataset, config: EvalJobConfig, path: Path) -> None:
    if not config.latent_actions:
        check_actions(world, dataset)
    if config.num_actions not in (None, len(world.action_names)):
        raise UserError(
            f"eval.num_actions={config.num_actions}, but {path} knows {len(world.action_names)} actions "
            f"({', '.join(world.action_names)})"
        )


@contextmanager
def _team(bench: Bench, recipe: Callable[[int], Bench], config: EvalJobConfig) -> Iterator[Team]:
    if config.num_processes == 1 and config.backend == "local":
        yield Alone(bench)
        return
    with together(recipe, config.num_processes, 0, config.backend, config.ray_address) as team:
        yield team


def _made_by(
    config: EvalJobConfig,
    data: CheckpointData,
    dataset: Dataset,
    subject: Subject,
    sampling: Sampling | None,
    opened: Opened,
    device: str,
    action_names: Sequence[str],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """What made the numbers, in one form whatever was measured."""
    world = subject.world if isinstance(subject, WorldSubject) else None
    return {
        "config": asdict(config),
        "sampling": asdict(sampling) if sampling else None,
        "seed": config.seed,
        "model": {"file": str(data.path), "kind": data.kind, "step": data.step, "fingerprint": data.model.fingerprint},
        "action_names": list(action_names),
        "dataset": {**describe_data(dataset), "games": len(set(dataset.index["game"].to_pylist()))},
        "precision": choose_precision(config.precision),
        "device": device,
        "metrics": opened.describe(),
        "world": world.config if isinstance(world, WorldModel) else None,
        "environment": describe_environment(),
        "seconds": dict(seconds),
    }
