"""How much of a game each way of exploring sees with equal environment steps, and what the trained agent then covers on
levels nobody trained on.

python benchmarks/explore_coverage.py OUT [--config quickstart/coinrun] [--arms random,sticky,rnd,next_entropy]
    [--seeds 0,1,2] [--epochs 8] [--table] [KEY=VALUE ...]

An arm is a reward's name, with `+cells` or `+nearest` for the episodic factor, or a player without a network: random,
sticky, sticky75, held. Every arm of a seed plays the same levels in the same order. What is done is in
OUT/<arm>-<seed>.json and not done again; the agents are in OUT/<arm>-<seed>.pt. --table prints what is there.
"""

import argparse
import dataclasses
import json
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genieredux.cli.compose import compose_config
from genieredux.collect.player import Player, endless
from genieredux.envs import EnvConfig, make
from genieredux.explore.config import ExploreConfig
from genieredux.explore.coverage import Coverage
from genieredux.explore.learner import KIND, ExploreLearner
from genieredux.explore.policy import AutoExplorePolicy
from genieredux.explore.rollout import Rollout
from genieredux.explore.setting import Setting, setting_of
from genieredux.models.checkpoint import save_model
from genieredux.policies import Policy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy
from genieredux.policies.wrappers import WithStickyActions

TEST_EPISODES = 48


def scripted(name: str, actions: int) -> Policy | None:
    """A player without a network; None for another name."""
    match name:
        case "random":
            return RandomPolicy(actions)
        case "held":
            return HeldPolicy(actions)
        case "sticky":
            return WithStickyActions(RandomPolicy(actions), actions, 0.5)
        case "sticky75":
            return WithStickyActions(RandomPolicy(actions), actions, 0.75)
    return None


def explore(config: ExploreConfig, setting: Setting, arm: str, epochs: int, out: Path) -> dict[str, Any]:
    """One arm of one seed."""
    began, curve, log = time.process_time(), [], []
    policy = scripted(arm, len(setting.action_names))
    if policy is not None:
        coverage = Coverage()
        for epoch in range(1, epochs + 1):
            rng = np.random.default_rng((config.common.seed, epoch, 0xE8))
            coverage.add(played(config, setting.env, policy, int(rng.integers(2**62))))
    else:
        learner = ExploreLearner(config, setting.env, setting.action_names, setting.reward(config))
        with closing(learner):
            for epoch in range(1, epochs + 1):
                step = learner.step(epoch, 0.0)
                log.append({name: float(value.float().mean()) for name, value in step.scalars.items()})
                print(arm, config.common.seed, epoch, f"{log[-1]['reward']:.4g}", dict(step.latest), flush=True)
        coverage = learner.coverage
        file = learner.model(epochs)
        save_model(out.with_suffix(".pt"), KIND, file.config, file.state_dict, step=epochs, metadata=file.metadata)
        policy = AutoExplorePolicy(learner.net.eval())
    curve = list(coverage.curve)
    return {
        "arm": arm,
        "seed": config.common.seed,
        "steps": coverage.steps,
        "area": coverage.area(),
        **coverage.numbers(),
        "curve": curve,
        "log": log,
        "test": tested(config, setting.test, policy),
        "cpu_seconds": time.process_time() - began,
    }


def played(config: ExploreConfig, env: EnvConfig, policy: Policy, seed: int) -> Rollout:
    """An epoch of a policy without a network."""
    play = config.collection.train.config
    with (
        closing(make(env, play.num_envs, seed)) as games,
        closing(Player(games, policy).steps(endless(env, seed))) as steps,
    ):
        return Rollout.of(islice(steps, play.num_steps))


def tested(config: ExploreConfig, env: EnvConfig, policy: Policy) -> dict[str, Any]:
    """Whole episodes on levels of their own, the same for all arms: the means over them, and each one's."""
    count = config.collection.train.config.num_envs
    each: list[dict[str, float]] = []
    coverage = Coverage()
    with closing(make(env, count, 0)) as games:
        for number in range(TEST_EPISODES // count):
            plan = islice(endless(env, 1_000 + number), count)
            with closing(Player(games, policy).steps(plan)) as steps:
                rollout = Rollout.of(islice(steps, env.max_episode_steps))
            for n in range(count):
                one = Coverage()
                one.add(dataclasses.replace(rollout, playing=rollout.playing & (np.arange(count) == n)))
                each.append(one.numbers())
            coverage.add(rollout)
    return {**coverage.numbers(), "each": each}


def table(folder: Path) -> None:
    """What is there, arm by arm: of the play of training the mean over seeds, and the range where there are several; of
    the test the interquartile mean of the episodes and its 95 % interval, episodes resampled within their seed."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        one = json.loads(path.read_text())
        rows.setdefault(one["arm"], []).append(one)
    wanted = {
        "area": lambda run: run["area"],
        "positions": lambda run: run.get("positions", np.nan),
        "furthest x": lambda run: run.get("furthest_x", np.nan),
        "cells": lambda run: run["cells"],
        "CPU s": lambda run: run["cpu_seconds"],
    }
    tested = {
        "test: tiles an episode": "positions",
        "test: furthest x": "furthest_x",
        "test: cells an episode": "cells",
    }
    print(f"| arm | seeds | steps | {' | '.join([*wanted, *tested])} |")
    print("|---|---|---|" + "---|" * (len(wanted) + len(tested)))
    for arm, runs in sorted(rows.items(), key=lambda item: -float(np.mean([run["area"] for run in item[1]]))):
        columns = [spread([float(take(run)) for run in runs], 1) for take in wanted.values()]
        columns += [
            interquartile([[one.get(key, np.nan) for one in run["test"]["each"]] for run in runs])
            for key in tested.values()
        ]
        print(f"| {arm} | {len(runs)} | {runs[0]['steps']:,} | {' | '.join(columns)} |")


def spread(values: list[float], digits: int) -> str:
    """The mean, and from where to where."""
    mean = f"{np.mean(values):,.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def interquartile(seeds: list[list[float]], resamples: int = 2000) -> str:
    """The mean of the middle half of all episodes, and its interval (Agarwal et al. 2021)."""

    def middle(values: np.ndarray) -> np.ndarray:
        ordered = np.sort(values, -1)
        cut = ordered.shape[-1] // 4
        return ordered[..., cut : ordered.shape[-1] - cut].mean(-1)

    rng = np.random.default_rng(0)
    drawn = [np.array(one)[rng.integers(len(one), size=(resamples, len(one)))] for one in seeds]
    low, high = np.percentile(middle(np.concatenate(drawn, 1)), (2.5, 97.5))
    return f"{float(middle(np.concatenate([np.array(one) for one in seeds]))):.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", default="quickstart/coinrun")
    parser.add_argument("--arms", default="random,sticky,sticky75,held,rnd,next_entropy,disagreement,progress")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("words", nargs="*")
    given = parser.parse_intermixed_args()
    if given.table:
        return table(given.out)
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in map(int, given.seeds.split(",")):
        for arm in given.arms.split(","):
            out = given.out / f"{arm}-{seed}.json"
            if out.exists():
                continue
            kind, _, factor = arm.partition("+")
            words = [f"config={given.config}", f"common.seed={seed}", "common.device=cpu", *given.words]
            if scripted(arm, 2) is None:
                words += [f"reward.kind={kind}", f"reward.episodic={factor or 'none'}"]
            config = compose_config("auto_explore", ExploreConfig, words)
            made = explore(config, setting_of(config), arm, given.epochs, out)
            out.write_text(json.dumps(made))
            print(arm, seed, made["area"], made["test"].get("furthest_x"), f"{made['cpu_seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
