"""Training the heads of a world on a data set, as a run like any other, and measuring them on held-out episodes."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.dreams.prompts import check_fits, held_out
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.models.world.file import find_world, open_world, write_with_heads
from genieredux.models.world.heads import OutcomeHeads, OutcomeHeadsConfig, balanced, read_heads
from genieredux.models.world.protocol import World
from genieredux.runs import RunFolder
from genieredux.runs.files import write_text
from genieredux.training.assembled import Assembled
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.heads.config import HeadsEval, HeadsJob
from genieredux.training.heads.dreamed import redraw
from genieredux.training.heads.measure import Judgement, judge
from genieredux.training.heads.outcomes import Table, Transitions, draw, outcome_table
from genieredux.training.heads.source import OutcomeSource
from genieredux.training.loop.drive import RunResult
from genieredux.training.run import fit
from genieredux.training.sources import split_for_training

logger = logging.getLogger(__name__)

Found = dict[str, Judgement]
"""Kind of frames and what is told ("true frames: end", "dreamt frames: reward") -> how well."""


@dataclass(frozen=True)
class Trained:
    """world: the file with heads. run: what the training left. found: on held-out episodes (also in heads.json of the
    run folder)."""

    world: Path
    run: RunResult
    found: Found


def train_heads(job: HeadsJob) -> Trained:
    """Learn what steps earn and when episodes end from job.dataset, and write job.out: the world with its heads.

    Called again, it goes on where it stopped. Raises UserError for what does not fit, before anything is written.
    """
    path = find_world(job.world)
    if Path(job.out).exists():
        raise UserError(f"{job.out} exists; give another out=FILE")
    world = open_world(path).world
    dataset = _fitting(world, Dataset.open(job.dataset))
    training, validation = split_for_training(dataset, 2)
    transitions = Transitions.of(training)
    table = outcome_table(transitions, dataset.path)
    logger.info("outcomes: %s", table)
    config = OutcomeHeadsConfig(
        image_size=dataset.spec.image_size,
        num_actions=len(world.action_names),
        rewards=tuple(table.rewards.tolist()),
        ends=tuple(table.ends.tolist()),
        frequencies=tuple(table.shares.tolist()),
        width=job.width,
    )
    torch.manual_seed(job.seed)
    parts = Assembled(
        OutcomeHeads(config),
        _source(world, training, transitions, table, job, job.dreamed),
        _source(world, validation, Transitions.of(validation), table, job, job.dreamed // 10),
    )
    run = RunFolder(job.folder, settings=job)
    result = fit(parts, _training(job), run, _optimizer(job))
    best = load_model(result.best_path, expect=OutcomeHeads.kind)
    tested = held_out(dataset)
    eval_job = HeadsEval(world=job.out, dataset=job.dataset, horizon=job.horizon, seed=job.seed)
    found = _measure(read_heads(best.model, best.path), world, tested, eval_job)
    plain = as_plain(found)
    write_text(run.path / "heads.json", json.dumps(plain, indent=2) + "\n")
    about = {"dataset": dataset.spec.name, "steps": best.step, "measured": plain}
    return Trained(write_with_heads(job.out, path, best.model, about), result, found)


def measure_heads(job: HeadsEval) -> Found:
    """How well the heads in a world's file tell rewards and ends of held-out episodes. Raises UserError."""
    opened = open_world(find_world(job.world))
    if opened.heads is None:
        raise UserError(f"{job.world} has no heads; `genieredux heads train world={job.world} ...` makes some")
    return _measure(opened.heads, opened.world, held_out(_fitting(opened.world, Dataset.open(job.dataset))), job)


def as_plain(found: Found) -> dict[str, dict[str, Any]]:
    """For JSON: what cannot be told is None."""
    plain = {name: dataclasses.asdict(judgement) for name, judgement in found.items()}
    return {
        name: {key: None if value != value else value for key, value in values.items()}
        for name, values in plain.items()
    }


def _fitting(world: World, dataset: Dataset) -> Dataset:
    if world.takes == "codes":
        raise UserError("this world is steered by codes that nobody named; heads need one that takes true actions")
    check_fits(world, dataset)
    if int(dataset.lengths.max()) < 2:
        raise UserError(f"no episode of {dataset.path} has two frames; there is no step to learn from")
    return dataset.take(np.flatnonzero(dataset.lengths >= 2))


def _source(
    world: World, dataset: Dataset, transitions: Transitions, table: Table, job: HeadsJob, dreamed: int
) -> OutcomeSource:
    outcomes = table.index(transitions.rewards, transitions.ends)
    redrawn = None
    if dreamed:
        shares = balanced(torch.from_numpy(table.shares)).numpy()
        rows = draw(outcomes, shares, dreamed, np.random.default_rng((job.seed, 0)))
        redrawn = redraw(world, dataset, transitions, rows, job.horizon, job.seed)
        if not len(redrawn.rows):
            logger.warning("no episode of %s is long enough to dream in; heads learn true frames alone", dataset.path)
            redrawn = None
    return OutcomeSource(dataset, transitions, outcomes, table, job.batch_size, job.seed, redrawn)


def _training(job: HeadsJob) -> TrainConfig:
    every = max(1, min(250, job.steps // 4))
    return TrainConfig(
        num_train_steps=job.steps,
        batch_size=job.batch_size,
        max_valid_size=16 * job.batch_size,
        save_model_every=every,
        validate_every=every,
        seed=job.seed,
        samples=0,
        precision="32",
    )


def _optimizer(job: HeadsJob) -> OptimizerConfig:
    warmup = WarmupConfig(0.1, min(100, job.steps // 10))
    return OptimizerConfig(
        learning_rate=job.learning_rate,
        weight_decay=0.01,
        max_grad_norm=1.0,
        warmup=warmup,
        cosine=CosineConfig(None, 0.05 * job.learning_rate),
    )


def _measure(heads: OutcomeHeads, world: World, dataset: Dataset, job: HeadsEval) -> Found:
    rng = np.random.default_rng((job.seed, 2))
    order = rng.permutation(len(dataset))
    enough = int(np.searchsorted(dataset.lengths[order].cumsum(), job.frames)) + 1
    chosen = dataset.take(order[:enough])
    transitions = Transitions.of(chosen)
    found = _judged("true frames", heads, transitions, _true_chances(heads, chosen), None)
    if job.dreamed:
        config = heads.config
        table = Table(heads.rewards, heads.ends, np.array(config.frequencies))
        outcomes = table.index(transitions.rewards, transitions.ends)
        there = np.bincount(outcomes, minlength=len(table.shares)) / len(outcomes)
        shares = balanced(torch.from_numpy(there)).numpy()
        rows = draw(outcomes, shares, job.dreamed, rng)
        redrawn = redraw(world, chosen, transitions, rows, job.horizon, job.seed)
        if len(redrawn.rows):
            chances = heads.chances(redrawn.frames[:, 0], redrawn.actions, redrawn.frames[:, 1])
            weights = there[outcomes[redrawn.rows]] / shares[outcomes[redrawn.rows]]
            found |= _judged("dreamt frames", heads, transitions.take(redrawn.rows), chances, weights)
    return found


def _judged(
    name: str,
    heads: OutcomeHeads,
    transitions: Transitions,
    chances: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
) -> Found:
    """Ends, and rewards other than the usual one."""
    usual = heads.rewards[int(np.argmax(heads.config.frequencies))]
    told: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {
        "end": (heads.ends, transitions.ends),
        "reward": (heads.rewards != usual, np.abs(transitions.rewards - usual) > 1e-6),
    }
    return {
        f"{name}: {what}": judge(chances[:, outcomes].sum(1), truth, weights)
        for what, (outcomes, truth) in told.items()
        if outcomes.any()
    }


def _true_chances(heads: OutcomeHeads, dataset: Dataset) -> NDArray[np.float64]:
    parts = []
    for episode, length in enumerate(dataset.lengths.tolist()):
        clip = dataset.clip(episode, 0, length)
        parts.append(heads.chances(clip.frames[:-1], clip.actions, clip.frames[1:]))
    return np.concatenate(parts)
