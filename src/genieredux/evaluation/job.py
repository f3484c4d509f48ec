"""`genie_redux eval`: measure the model in a file on the test splits of a data set, and leave a folder that says it.

What the file holds decides what is done: a world is replayed and steered (here), a tokenizer or a latent action model
is measured by itself (tokenizer_job.py, latent_job.py).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import ACTION_ACCURACY, REPLICATE, EvalConfig, EvalJobConfig
from genieredux.evaluation.control import control_grid
from genieredux.evaluation.drift import Drift, measure_drift
from genieredux.evaluation.evaluate import Progress, check_clips, evaluate
from genieredux.evaluation.headline import Evaluated, headline
from genieredux.evaluation.latent_job import evaluate_latent_actions
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.metric_networks import Networks
from genieredux.evaluation.opening import (
    Recipe,
    choose_device,
    choose_sampling,
    feature_cache,
    model_name,
    names_of,
    open_action_reader,
    open_checkpoint,
    to_probes,
    truth_cache,
    usable_networks,
)
from genieredux.evaluation.probes import Probes
from genieredux.evaluation.results import Evaluation
from genieredux.evaluation.steer_job import hold_action
from genieredux.evaluation.team import Alone, Team, Together
from genieredux.evaluation.testsets import by_codes, check_actions, describe_data, drift_sets, test_sets
from genieredux.evaluation.tokenizer_job import evaluate_tokenizer
from genieredux.evaluation.truth import TruthCache
from genieredux.evaluation.writing import Measured, write_measured
from genieredux.models.checkpoint import CheckpointData
from genieredux.models.sampling import Sampling
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import World
from genieredux.runs import describe_environment


def evaluate_file(
    config: EvalJobConfig, dataset: Dataset, progress: Progress | None = None, fallback: str | None = None
) -> Evaluated:
    """Measure the model in config.model_fpath (or else `fallback`) on a data set. Raises UserError for what does not
    fit; nothing is written then.
    """
    if not config.keep_clips:
        raise UserError("eval.keep_clips is 0, so there would be nothing to show; set it to 1 or more")
    data = open_checkpoint(config, fallback)
    folder = Path(config.save_root_dpath) / model_name(data.path) / dataset.spec.name
    alone = {"tokenizer": evaluate_tokenizer, "latent_action_model": evaluate_latent_actions}
    if data.kind in alone:
        return alone[data.kind](data, config, dataset, folder, progress)
    device = choose_device(config.accelerator)
    world = WorldModel.load(data.path, device, config.latent_actions).use_precision(config.precision)
    if not config.latent_actions:
        check_actions(world, dataset)
    if config.num_actions not in (None, len(world.action_names)):
        raise UserError(
            f"eval.num_actions={config.num_actions}, but {data.path} knows {len(world.action_names)} actions "
            f"({', '.join(world.action_names)})"
        )
    sampling = choose_sampling(world, config)
    if config.action_to_take != REPLICATE:
        reader, _ = open_action_reader(config, dataset)
        return hold_action(Bench(world, Probes(actions=reader)), sampling, config, dataset, folder)
    sets = test_sets(dataset, config.split, config, config.num_clips)
    long = drift_sets(dataset, config.split, config) if config.drift_frames else {}
    if config.latent_actions:
        sets, long = by_codes(world, sets), by_codes(world, long)
    for name, clips in sets.items():
        check_clips(world, name, clips, config.prompt_frames, config.clip_length)
    networks = usable_networks(config, device, config.horizon, world.image_size)
    reader, read_by = open_action_reader(config, dataset)
    cache = feature_cache(config)
    recipe = Recipe(
        str(data.path),
        device,
        world.precision,
        config.networks,
        names_of(networks),
        reader,
        cache,
        config.latent_actions,
    )
    bench = Bench(world, to_probes(networks, reader, cache))
    truths = truth_cache(config, data.section("tokenizer"), world.precision)
    with _team(bench, recipe, config.num_processes) as team:
        measured = measure(world, sets, config, sampling, progress, team=team, cache=truths, long=long)
    made_by = _made_by(config, data, dataset, world, sampling, networks, read_by, measured.evaluation)
    written = write_measured(folder, measured, made_by)
    return Evaluated(folder, written.results, written.film, headline(measured.evaluation.sets, config))


def measure(
    world: World,
    sets: Mapping[str, Clips],
    config: EvalConfig,
    sampling: Any = None,
    progress: Progress | None = None,
    *,
    team: Team | None = None,
    cache: TruthCache | None = None,
    long: Mapping[str, Clips] | None = None,
) -> Measured:
    """Evaluate on every test set, dream on through the `long` clips, and hold every action after three prompts of the
    last set.
    """
    team = team or Alone(Bench(world, Probes()))
    evaluation = evaluate(world, sets, config, sampling, progress, team=team, cache=cache)
    drifts = _drift(long or {}, config, sampling, team, progress)
    with_drift = {
        name: replace(result, drift=drifts[name].plain) if name in drifts else result
        for name, result in evaluation.sets.items()
    }
    clips = list(sets.values())[-1]
    rows = np.linspace(0, len(clips) - 1, min(3, len(clips))).astype(int).tolist()
    grid = control_grid(world, clips, rows, config.prompt_frames, 12, config.seed, sampling)
    return Measured(replace(evaluation, sets=with_drift), grid, drifts)


def _drift(
    long: Mapping[str, Clips], config: EvalConfig, sampling: Any, team: Team, progress: Progress | None
) -> dict[str, Drift]:
    total, before = sum(map(len, long.values())), 0
    found = {}
    for name, clips in long.items():

        def done(clips_done: int, before: int = before, name: str = name) -> None:
            if progress is not None:
                progress(before + clips_done, total, f"{name}, drift")

        found[name] = measure_drift(clips, config, sampling, team, done)
        before += len(clips)
    return found


@contextmanager
def _team(bench: Bench, recipe: Callable[[int], Bench], processes: int) -> Iterator[Team]:
    if processes == 1:
        yield Alone(bench)
        return
    with Together(recipe, processes) as team:
        yield team


def _made_by(
    config: EvalJobConfig,
    data: CheckpointData,
    dataset: Dataset,
    world: WorldModel,
    sampling: Sampling,
    networks: Networks,
    read_by: Mapping[str, Any],
    evaluation: Evaluation,
) -> dict[str, Any]:
    """What made the numbers, as plain values."""
    return {
        "config": asdict(config),
        "sampling": asdict(sampling),
        "seed": config.seed,
        "model": {"file": str(data.path), "kind": data.kind, "step": data.step, "fingerprint": data.model.fingerprint},
        "action_names": list(world.action_names),
        "dataset": {**describe_data(dataset), "games": _games(dataset)},
        "precision": world.precision,
        "device": str(world.device),
        "networks": {**networks.describe(), **({ACTION_ACCURACY: dict(read_by)} if read_by else {})},
        "world": world.config,
        "environment": describe_environment(),
        "seconds": evaluation.seconds,
    }


def _games(dataset: Dataset) -> int:
    return len(set(dataset.index["game"].to_pylist()))
