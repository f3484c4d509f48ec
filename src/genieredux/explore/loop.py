"""`auto_explore loop`: explore, let the agent play for data, fine-tune tokenizer and dynamics on it, evaluate, again.

    <out>/
    ├── datasets/     test set (played once, held random actions, levels of its own) and each round's play
    ├── agents/001_auto_explore ...     the run of each round's agent
    ├── checkpoints/  tokenizer/round-1, genie_redux_guided/round-1, ...
    ├── round-0/      the world at the beginning, evaluated          round-1/ ...  world.pt, results.json, report.html
    └── comparison.html  rounds.json

Every stage goes on where it was stopped, or is skipped where its result is there: the same command again is enough.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genieredux.collect import AgentConfig, CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig, collect
from genieredux.dreams.prompts import prompts_of
from genieredux.episodes import Dataset
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.job import evaluate_file
from genieredux.explore.config import ExploreConfig
from genieredux.explore.setting import LEVELS_OF_TEST, setting_of
from genieredux.explore.train import train as train_agent
from genieredux.models.build import needs_tokenizer
from genieredux.models.checkpoint import CheckpointData, load_model, save_model
from genieredux.models.world.file import find_world, load_world, write_world
from genieredux.report import compare_runs, write
from genieredux.runs import RunFolder
from genieredux.runs.files import write_text
from genieredux.runs.places import user_path
from genieredux.training import train as train_model
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.jobs import JobConfig

log = logging.getLogger(__name__)

LEVELLED = ("procgen", "fake")
"""Kinds of games with levels: every episode plays another."""
LINES = "found.json"
"""What an evaluation found, for a person; written last."""


@dataclass(frozen=True)
class Looped:
    """What a loop left. lines: the table, a line a round. page: the rounds compared. world: the last round's."""

    lines: list[str]
    page: Path
    world: Path


def loop(config: ExploreConfig, command: Sequence[str] = ()) -> Looped:
    """Run all rounds into loop.out. Raises UserError for what does not fit, before anything is made."""
    setting_of(config)
    out = user_path(config.loop.out)
    run = RunFolder(out, list(command) or None)
    with run.lock():
        run.begin(config)
        world = find_world(config.world_model.path)
        previous = None
        test = _test_set(config, out)
        folders = [_evaluated(config, world, out / "round-0", test)]
        for number in range(1, config.loop.rounds + 1):
            log.info("round %d of %d", number, config.loop.rounds)
            agent = _agent(config, world, previous, number, out, command)
            data = _played(config, agent, number, out)
            world, previous = _learned(config, world, data, number, out), world
            folders.append(_evaluated(config, world, out / f"round-{number}", test))
        rows = [_row(folder) for folder in folders]
        write_text(out / "rounds.json", json.dumps(rows, indent=2) + "\n")
        page = compare_runs([str(folder) for folder in folders], str(out / "comparison.html"), "Round after round").page
    return Looped(_table(rows), page, world)


def _agent(
    config: ExploreConfig, world: Path, previous: Path | None, number: int, out: Path, command: Sequence[str]
) -> Path:
    """The round's agent, trained in the world of now."""
    reward = config.reward
    if reward.kind == "progress" and previous is not None:
        reward = replace(reward, previous_fpath=str(previous))
    own = replace(
        config,
        common=replace(config.common, resume_id=None, resume_ckpt_id=None, seed=config.common.seed + number - 1),
        world_model=replace(config.world_model, model_fpath=str(world)),
        reward=reward,
    )
    return train_agent(own, command, out / "agents" / f"{number:03d}_{config.common.name}").best_path


def _played(config: ExploreConfig, agent: Path, number: int, out: Path) -> Path:
    """The round's play: loop.episodes episodes on the levels of training."""
    knobs = config.loop
    chosen = AgentConfig(checkpoint_fpath=str(agent), gamma=knobs.gamma, temperature=knobs.temperature)
    split = SplitConfig("train", start_level=config.collection.start_level)
    return _collected(config, out, f"round{number}", "auto_explore", chosen, split, knobs.episodes)


def _test_set(config: ExploreConfig, out: Path) -> Path:
    """What every round is evaluated on; no agent has a part in it."""
    first = config.collection.test.start_level
    split = SplitConfig("test.held", start_level=LEVELS_OF_TEST if first is None else first)
    return _collected(config, out, "test", "held", AgentConfig(), split, config.loop.test_episodes)


def _collected(
    config: ExploreConfig, out: Path, dname: str, variant: str, agent: AgentConfig, split: SplitConfig, episodes: int
) -> Path:
    play = config.collection
    world, _ = load_world(find_world(config.world_model.path))
    connector = ConnectorConfig(
        name="loop",
        dname=dname,
        variant=variant,
        kind=play.kind,
        games=(play.game,),
        image_size=world.image_size,
        n_skip_frames=play.n_skip_frames,
        action_names=tuple(world.action_names),
        distribution_mode=play.distribution_mode,
        options=play.options,
        generator_config=GeneratorConfig(
            n_sessions=episodes,
            n_steps_max=play.max_episode_steps or 500,
            n_workers=play.n_workers,
            n_instances=episodes if play.kind in LEVELLED else None,
        ),
        agent=agent,
        splits=(split,),
    )
    return collect(CollectConfig(connector, str(out / "datasets"), config.common.seed)).path


def _learned(config: ExploreConfig, world: Path, data: Path, number: int, out: Path) -> Path:
    """The world after the round: its tokenizer's decoder, where it has one, then its dynamics, fine-tuned on the
    round's play."""
    made = out / f"round-{number}" / "world.pt"
    if made.is_file():
        return made
    start = load_model(world)
    tokenizer = _decoder(config, start, data, number, out) if needs_tokenizer(start.kind, start.config) else None
    knobs = config.loop
    dynamics = JobConfig(
        model=start.kind,
        model_fpath=str(world),
        tokenizer_fpath=tokenizer,
        train=_training(config, data, knobs.dynamics_steps, "all", knobs.batch_size, 16),
        optimizer=_optimizer(knobs.dynamics_learning_rate),
        run_name=f"round-{number}",
        checkpoints_dpath=str(out / "checkpoints"),
    )
    model = train_model(dynamics).model_path
    opened, prompts = load_world(world)
    begins = prompts or prompts_of(opened, data)
    return write_world(made, model, begins, sampling=opened.sampling, about={"round": number})


def _decoder(config: ExploreConfig, start: CheckpointData, data: Path, number: int, out: Path) -> str:
    """The tokenizer's file after the round. Its decoder alone learns, as P25 has it: tokens keep their meaning, so that
    the dynamics goes on from what it knows."""
    knobs, before = config.loop, out / f"round-{number}" / "tokenizer-before.pt"
    section = start.section("tokenizer")
    save_model(before, "tokenizer", section.config, section.state_dict)
    job = JobConfig(
        model="tokenizer",
        tokenizer_fpath=str(before),
        train=_training(config, data, knobs.tokenizer_steps, "decoder", 16 * knobs.batch_size, 1),
        optimizer=_optimizer(knobs.tokenizer_learning_rate),
        run_name=f"round-{number}",
        checkpoints_dpath=str(out / "checkpoints"),
    )
    return str(train_model(job).model_path)


def _training(config: ExploreConfig, data: Path, steps: int, part: Any, batch: int, frames: int) -> TrainConfig:
    return TrainConfig(
        dataset_root_dpath=str(data.parent),
        dataset_name=data.name,
        num_frames=frames,
        batch_size=batch,
        num_train_steps=steps,
        save_model_every=max(1, steps // 4),
        validate_every=max(1, steps // 2),
        max_valid_size=32,
        keep_last=1,
        seed=config.common.seed,
        trainable=part,
        precision="32",
        accelerator="cpu" if config.common.device == "cpu" else "auto",
        samples=0,
        tensorboard=config.training.tensorboard,
    )


def _optimizer(rate: float) -> OptimizerConfig:
    """Warmed up shortly, falling to a tenth."""
    return OptimizerConfig(
        learning_rate=rate,
        max_grad_norm=1.0,
        warmup=WarmupConfig(0.1, 20),
        cosine=CosineConfig(None, rate / 10),
    )


def _evaluated(config: ExploreConfig, world: Path, folder: Path, test: Path) -> Path:
    """The folder with the round's results, its page, and what was found in a few lines."""
    if not (folder / LINES).is_file():
        settings = EvalJobConfig(
            model_fpath=str(world),
            dataset_root_dpath=str(test.parent),
            dataset_name=test.name,
            num_clips=config.loop.num_clips,
            metrics=("random_frechet",),
        )
        made = evaluate_file(settings, Dataset.open(str(test)), folder=folder)
        write(folder)
        write_text(folder / LINES, json.dumps(made.lines, indent=2) + "\n")
    return folder


def _row(folder: Path) -> dict[str, Any]:
    """A round in the table."""
    return {"round": int(folder.name.rpartition("-")[2]), "found": json.loads((folder / LINES).read_text())}


def _table(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [f"round {row['round']}: {line}" for row in rows for line in row["found"]]
