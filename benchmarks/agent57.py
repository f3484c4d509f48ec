"""Agent57: how fast it plays and learns, and whether it does what its parts are for.

    python benchmarks/agent57.py speed                       steps and updates a second, and what bounds each
    python benchmarks/agent57.py random_coin --root runs/a57 the separate and the single network as beta grows
    python benchmarks/agent57.py deep_sea --root runs/a57    with and without curiosity
    python benchmarks/agent57.py table --root runs/a57       what the runs of a root ended with
    python benchmarks/agent57.py yardstick --steps 50000     sb3-contrib's RecurrentPPO on random coin (pip install
                                                             -c constraints.txt sb3-contrib; nothing else needs it)

Runs are gone on with where they were stopped. One process, one thread.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.agent57.actor import Actor
from genieredux.agent57.config import Agent57Config
from genieredux.agent57.frames import grey
from genieredux.agent57.learner import AgentLearner
from genieredux.agent57.losses import Batch
from genieredux.agent57.run import train
from genieredux.agent57.tasks import RandomCoin
from genieredux.cli.compose import compose_config
from genieredux.envs.factory import describe

SINGLE = ("agent.separate=false",)
R2D2 = ("agent.separate=false", "agent.policies=1")
SPEED = {
    "random coin, compact": ("config=quickstart/random_coin",),
    "CoinRun 64x64, small, hidden 128": ("config=quickstart/coinrun",),
    "CoinRun 84x84, nature, hidden 512": (
        "config=quickstart/coinrun",
        "agent.torso=nature",
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


class Coin(gymnasium.ObservationWrapper):  # type: ignore[type-arg]
    """The random coin of the quickstart file as RecurrentPPO takes it: the grey cells that the agents see, (49,)."""

    def __init__(self, side: int, options: Mapping[str, Any]) -> None:
        super().__init__(RandomCoin(**options))
        self.side = side
        self.observation_space = gymnasium.spaces.Box(0, 1, (side**2,), np.float32)

    def observation(self, observation: NDArray[np.uint8]) -> NDArray[np.float32]:
        return grey(observation, self.side).ravel().astype(np.float32) / 255


def yardstick(steps: int, seed: int) -> None:
    """RecurrentPPO with an LSTM as wide, as many games side by side and the same discount: what it returns, greedily,
    and what that cost in CPU time."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    cfg = config(["config=quickstart/random_coin"])
    games = make_vec_env(lambda: Coin(cfg.agent.image_size, cfg.env.options), cfg.actors.lanes, seed=seed)
    model = RecurrentPPO(
        "MlpLstmPolicy",
        games,
        gamma=cfg.agent.gamma_max,
        policy_kwargs={"lstm_hidden_size": cfg.agent.hidden},
        seed=seed,
        device="cpu",
    )
    print("| env steps | greedy return, 100 episodes | CPU s | env steps a CPU second |")
    print("|---|---|---|---|")
    seconds = 0.0
    while model.num_timesteps < steps:
        began = time.process_time()
        model.learn(steps // 4, reset_num_timesteps=False)
        seconds += time.process_time() - began
        mean, _ = evaluate_policy(model, games, 100)
        print(
            f"| {model.num_timesteps:,} | {mean:.2f} | {seconds:.0f} | {model.num_timesteps / seconds:.0f} |",
            flush=True,
        )


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
    parser.add_argument("what", choices=["speed", "random_coin", "deep_sea", "table", "yardstick"])
    parser.add_argument("words", nargs="*", help="key=value settings of every run")
    parser.add_argument("--root", default="runs/agent57")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--betas", type=float, nargs="+", default=[0.3, 1.0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10])
    parser.add_argument("--updates", type=int, default=30)
    parser.add_argument("--steps", type=int, default=50_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.what == "speed":
        speed(args.updates)
    elif args.what == "yardstick":
        yardstick(args.steps, args.seeds[0])
    elif args.what == "table":
        table(Path(args.root))
    else:
        run_all(args.what, args)


if __name__ == "__main__":
    main()
