"""An agent of Stable-Baselines3 learns CoinRun inside a dream of it, and is then measured in the game itself.

    genieredux heads train world=coinrun dataset=DATASET out=with_heads.pt
    python docs/examples/learn_in_a_dream.py train --world with_heads.pt --dataset DATASET --out agent.zip
    python docs/examples/learn_in_a_dream.py measure --agent agent.zip

`train` never plays the game: dreams begin at frames of the data set, heads say what ends them, and heads (coins) or a
function (--reward progress: how far the picture scrolled) what is earned. `measure`
plays levels that neither the world nor the data set nor the agent knows, the same ones for everybody: the agent, an
untrained one, random actions, random ones that are held as the agent holds its own, and each action for ever.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CheckpointCallback
from stable_baselines3.common.vec_env import VecMonitor

from genieredux.collect.plan import Planned
from genieredux.collect.player import Player
from genieredux.dreams.env import DreamVectorEnv
from genieredux.dreams.outcomes import Transitions
from genieredux.dreams.stable_baselines import DreamVecEnv, TrainedAgent
from genieredux.envs import EnvConfig, Start, make
from genieredux.episodes import Dataset
from genieredux.policies import Actions, Policy, PolicySpec, Seen

FIRST_LEVEL = 300_000
"""Of those that are measured on."""


def beginnings(dataset: Dataset, count: int, given: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames (P, S, S, 3) and actions of random places in the training episodes."""
    rng, training = np.random.default_rng(seed), dataset.select(split="train")
    long_enough = np.flatnonzero(training.lengths > given)
    places = []
    for episode in rng.choice(long_enough, count):
        start = int(rng.integers(training.lengths[episode] - given))
        clip = training.clip(int(episode), start, start + given)
        places.append((clip.frames, clip.actions))
    return places


def progress(made: Transitions) -> np.ndarray:
    """How far the picture went to the left under each step, in pixels from -4 to 4: how far the player went right.

    The shift under which the frame before looks most like the frame after, on a band above the floor, where no shift
    is what a difference below a tenth of the mean leaves it at.
    """
    before, after = (frames[:, 8:48].mean(-1).astype(np.float32) for frames in (made.before, made.after))
    shifts = np.arange(-4, 5)
    wrong = np.stack([np.abs(after[:, :, 6:-6] - np.roll(before, -k, 2)[:, :, 6:-6]).mean((1, 2)) for k in shifts], 1)
    best = wrong.argmin(1)
    sure = wrong[np.arange(len(best)), best] < 0.9 * wrong[:, 4]
    return np.where(sure, shifts[best], 0) / 4


def train(options: argparse.Namespace) -> None:
    """PPO in dreams."""
    prompts = beginnings(Dataset.open(options.dataset), options.prompts, 4, options.seed)
    own = progress if options.reward == "progress" else None  # ends stay those of the heads
    dreams = DreamVectorEnv(options.world, prompts, options.dreams, max_steps=options.length, reward=own)
    envs = VecMonitor(DreamVecEnv(dreams, options.repeat))
    agent = PPO(
        "CnnPolicy",
        envs,
        n_steps=options.rollout,
        batch_size=128,
        n_epochs=6,
        gamma=0.95,
        gae_lambda=0.95,
        ent_coef=0.01,
        learning_rate=1e-3,
        seed=options.seed,
        device="cpu",
        verbose=1,
    )
    steps = Path(options.out).with_suffix("")  # a folder of agents on the way
    agent.learn(options.steps, CheckpointCallback(4 * options.rollout, str(steps), "agent"))
    agent.save(options.out)


class Always:
    """One action for ever."""

    plays_alone = True

    def __init__(self, action: int, name: str) -> None:
        self.action, self.name = action, f"always {name}"

    def act(self, seen: Seen) -> Actions:
        """See genieredux.policies.Policy."""
        return np.full(len(seen.frames), self.action, np.int64)


def returns(policy: Policy, episodes: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """What each episode of the game earned, and how many steps it took; the same levels for every policy."""
    config = EnvConfig(kind="procgen", game="coinrun", max_episode_steps=steps, num_workers=1)
    plan: Iterator[Planned] = (Planned(str(k), k, Start(FIRST_LEVEL + k, k)) for k in range(episodes))
    earned, taken = np.zeros(episodes), np.zeros(episodes)
    env = make(config, 16, 0)
    for played in Player(env, policy).play(plan):
        episode = played.track.episode(played.terminated, played.truncated)
        earned[played.planned.number], taken[played.planned.number] = episode.rewards.sum(), len(episode) - 1
    env.close()
    return earned, taken


def measure(options: argparse.Namespace) -> None:
    """The share of levels whose coin is fetched, with 95 % intervals over levels."""
    names = make(EnvConfig(kind="procgen", game="coinrun", num_workers=1), 1, 0).action_names
    agent = PPO.load(options.agent, device="cpu")
    fresh = PPO("CnnPolicy", DreamVecEnv(DreamVectorEnv("coinrun")), seed=1, device="cpu")
    held = {"shortest": options.repeat, "longest": options.repeat}
    players: list[Policy] = [TrainedAgent(agent, "agent", options.repeat)]
    players += [TrainedAgent(fresh, "untrained agent", options.repeat)]
    players += [PolicySpec("random", len(names)).build(), PolicySpec("held", len(names), options=held).build()]
    players += [Always(k, name) for k, name in enumerate(names)]
    rng, rows = np.random.default_rng(0), []
    for player in players:
        earned, taken = returns(player, options.episodes, options.steps)
        means = earned[rng.integers(0, len(earned), (2000, len(earned)))].mean(1)
        low, high = np.quantile(means, (0.025, 0.975))
        rows.append({"player": player.name, "return": earned.mean(), "low": low, "high": high, "steps": taken.mean()})
        interval = f"{earned.mean():5.2f} [{low:.2f}, {high:.2f}]"
        sys.stdout.write(f"{player.name:<16} return {interval}  {taken.mean():5.0f} steps\n")
        sys.stdout.flush()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"episodes": options.episodes, "steps": options.steps, "players": rows}, file, indent=2)


def main() -> None:
    """Read the words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("train")
    one.set_defaults(run=train)
    one.add_argument("--world", required=True)
    one.add_argument("--dataset", required=True)
    one.add_argument("--out", default="agent.zip")
    one.add_argument("--reward", choices=("coins", "progress"), default="coins", help="of the heads, or a function")
    amounts = {"steps": 8_192, "dreams": 16, "length": 40, "rollout": 16, "prompts": 400, "repeat": 4, "seed": 0}
    for name, default in amounts.items():
        one.add_argument(f"--{name}", type=int, default=default)
    two = verbs.add_parser("measure")
    two.set_defaults(run=measure)
    two.add_argument("--agent", required=True)
    two.add_argument("--json")
    for name, default in {"episodes": 200, "steps": 500, "repeat": 4}.items():
        two.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
