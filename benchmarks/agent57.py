"""Agent57: how fast it plays and learns, and whether it does what its parts are for.

    python benchmarks/agent57.py speed                       steps and updates a second, and what bounds each
    python benchmarks/agent57.py random_coin --root runs/a57 the separate and the single network as beta grows
    python benchmarks/agent57.py deep_sea --root runs/a57    with and without curiosity
    python benchmarks/agent57.py table --root runs/a57       what the runs of a root ended with

Runs are gone on with where they were stopped. One process, one thread.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from genieredux.agent57.actor import Actor
from genieredux.agent57.config import Agent57Config
from genieredux.agent57.learner import AgentLearner
from genieredux.agent57.losses import Batch
from genieredux.agent57.run import train
from genieredux.cli.compose import compose_config
from genieredux.envs.factory import describe

SINGLE = ("agent.separate=false",)
R2D2 = ("agent.separate=false", "agent.policies=1")
SPEED = {
    "random coin, compact": ("config=quickstart/random_coin",),
    "CoinRun 64x64, nature, hidden 128": ("config=quickstart/coinrun", "actors.processes=0"),
    "CoinRun 84x84, nature, hidden 512": (
        "config=quickstart/coinrun",
        "actors.processes=0",
        "agent.image_size=84",
        "agent.hidden=512",
    ),
}


def config(words: Iterable[str]) -> Agent57Config:
    return compose_config("agent57", Agent57Config, list(words))


def speed(updates: int) -> None:
    """CPU seconds of a step of all lanes and of an update, each by itself, median of several."""
    print("| | env steps/s of an actor | updates/s | sequences/s | of the update: values, curiosity |")
    print("|---|---|---|---|---|")
    for name, words in SPEED.items():
        cfg = config([*words, "replay.capacity=300", "replay.min_size=40"])
        learner = AgentLearner(cfg, describe(cfg.env.env()), torch.device("cpu"))
        learner.step(1, 0.0)
        actor = Actor(learner._setups(learner.replay.shape)[0])
        playing = timed(partial(actor.play, 1), updates)
        weights = torch.ones(cfg.learn.batch)
        sequences, slots, _ = learner.replay.sample(cfg.learn.batch, np.random.default_rng(0))
        batch = Batch.of(sequences, cfg.replay.burn_in, torch.device("cpu"))
        learning = timed(partial(learner._update, batch, weights, slots), updates)
        learner.curious = False
        values = timed(partial(learner._update, batch, weights, slots), updates)
        share = min(1.0, values / learning)
        print(
            f"| {name} | {cfg.actors.lanes / playing:.0f} | {1 / learning:.1f} | {cfg.learn.batch / learning:.0f} | "
            f"{share:.0%}, {1 - share:.0%} |"
        )
        actor.close()
        learner.close()


def timed(work: Callable[[], object], times: int) -> float:
    """CPU seconds of this process, the median."""
    seconds = []
    for _ in range(times):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return float(np.median(seconds))


def runs(task: str, seeds: list[int], betas: list[float], sizes: list[int]) -> Iterator[tuple[str, list[str]]]:
    """(name, words) of every run of a task, the decisive ones first."""
    for seed in seeds:
        if task == "random_coin":
            for beta in betas:
                for name, words in (("separate", ()), ("single", SINGLE)):
                    yield f"coin-{name}-beta{beta:g}-seed{seed}", [*words, f"agent.beta={beta}", f"train.seed={seed}"]
        else:
            for size in sizes:
                env = [f"env.options={{size: {size}, pixels: 2}}", f"agent.image_size={size}", f"train.seed={seed}"]
                for name, words in (("agent57", ()), ("r2d2", R2D2)):
                    yield f"sea-{name}-{size}-seed{seed}", [*words, *env]


def run_all(task: str, args: argparse.Namespace) -> None:
    for name, words in runs(task, args.seeds, args.betas, args.sizes):
        words = [f"config=quickstart/{task}", *words, f"run_name={name}", f"checkpoints_dpath={args.root}", *args.words]
        train(config(words))


def table(root: Path) -> None:
    """What every run ended with: its validations, and the CPU that they took is in its log."""
    print("| run | updates | env steps | greedy return of member 0 at each validation |")
    print("|---|---|---|---|")
    for log in sorted(root.glob("agent57/*/log.jsonl")):
        records = [json.loads(line) for line in log.read_text().splitlines()]
        checks = [record for record in records if record["event"] == "validate"]
        trained = [record for record in records if record["event"] == "train"]
        if checks and trained:
            shown = " ".join(f"{check['return']:.2f}" for check in checks)
            print(f"| {log.parent.name} | {checks[-1]['step']} | {trained[-1]['env_steps']:.0f} | {shown} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "random_coin", "deep_sea", "table"])
    parser.add_argument("words", nargs="*", help="key=value settings of every run")
    parser.add_argument("--root", default="runs/agent57")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--betas", type=float, nargs="+", default=[0.3, 1.0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10])
    parser.add_argument("--updates", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "speed":
        speed(args.updates)
    elif args.what == "table":
        table(Path(args.root))
    else:
        run_all(args.what, args)


if __name__ == "__main__":
    main()
