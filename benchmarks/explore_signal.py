"""Which sign of doubt tells best where a world is wrong: rank correlations with its true error on new play.

    python benchmarks/explore_signal.py [--world coinrun] [--game coinrun] [--episodes 40] [--steps 48] [--heads 8]

Held random actions are played on levels of their own. Every step has the world's true error, the mean absolute
difference of the frame that it expected (all frames before it known) and the one that came, as it is and by how much
moved; and what each reward of explore/rewards says of it. The heads of disagreement learn before, from as much other
play, in --heads rounds. Intervals are of 2,000 resamplings of episodes. What the world does not have is left out.
"""

import argparse
from contextlib import closing
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.collect.player import Player, endless
from genieredux.envs import EnvConfig, make
from genieredux.errors import UserError
from genieredux.explore.reward import motion
from genieredux.explore.rewards import RewardConfig, Watcher, make_reward
from genieredux.explore.rewards.protocol import Values, unrated
from genieredux.explore.rollout import Rollout
from genieredux.explore.setting import open_world
from genieredux.policies.scripted import HeldPolicy

SIGNS = ("entropy", "next_entropy", "unseen", "round_trip", "seed_variance", "disagreement")
LEVELS, OTHER_LEVELS = 300_000, 310_000
RESAMPLES = 2000


def played(env: EnvConfig, episodes: int, seed: int) -> Rollout:
    """So many episodes side by side."""
    policy = HeldPolicy(len(env.action_names or ()))
    with closing(make(env, episodes, seed)) as games:
        plan = islice(endless(env, seed), episodes)
        with closing(Player(games, policy).steps(plan)) as steps:
            return Rollout.of(islice(steps, env.max_episode_steps))


def truth_of(watcher: Watcher, rollout: Rollout) -> dict[str, Values]:
    """The world's error of every step, how much moved, and the one by the other."""
    error, moved = unrated(rollout), unrated(rollout)
    for rows in watcher.look(rollout):
        rows.put((rows.step.frames.cpu() - rows.after).abs().mean((-3, -2, -1)), error)
        rows.put(motion(rows.before, rows.after), moved)
    return {"error": error, "motion": moved}


def signs_of(watcher: Watcher, rollout: Rollout, other: Rollout, rounds: int) -> dict[str, Values]:
    """What every reward says of every step."""
    values: dict[str, Values] = {}
    for name in SIGNS:
        reward = make_reward(RewardConfig(name), watcher)
        try:
            if reward.learns:
                reward.rate(other)
                for epoch in range(1, rounds + 1):
                    reward.learn(epoch)
            values[name] = reward.rate(rollout)
        except UserError as reason:
            print(f"{name}: left out ({reason})", flush=True)
    return values


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks (N,), equal values sharing their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum()
    return (last - (count - 1) / 2)[place]


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Spearman's."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def with_interval(a: Values, b: Values, rng: np.random.Generator) -> str:
    """The correlation over all steps that both rate, and its 95 % interval; columns are episodes."""
    known = np.isfinite(a) & np.isfinite(b)
    columns = [(a[known[:, n], n].astype(float), b[known[:, n], n].astype(float)) for n in np.flatnonzero(known.any(0))]

    def of(rows: NDArray[np.int64]) -> float:
        first, second = (np.concatenate([columns[row][k] for row in rows]) for k in (0, 1))
        return correlation(first, second)

    count = len(columns)
    drawn = [of(rng.integers(count, size=count)) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return f"{of(np.arange(count)):+.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="coinrun")
    parser.add_argument("--game", default="coinrun")
    parser.add_argument("--episodes", type=int, default=40)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--heads", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    world = open_world(given.world, torch.device("cpu"))
    watcher = Watcher(world, seed=1)
    env = EnvConfig(
        "procgen", given.game, world.image_size, tuple(world.action_names), max_episode_steps=given.steps,
        num_levels=given.episodes, start_level=LEVELS, num_workers=1,
    )  # fmt: skip
    rollout = played(env, given.episodes, 1)
    other = played(EnvConfig(**{**vars(env), "start_level": OTHER_LEVELS}), given.episodes, 2)
    truth = truth_of(watcher, rollout)
    signs = signs_of(watcher, rollout, other, given.heads) | {"motion itself": truth["motion"]}
    rng = np.random.default_rng(0)
    by_motion = truth["error"] / (truth["motion"] + 0.01)
    steps = int(np.isfinite(truth["error"]).sum())
    print(f"{steps:,} steps of {given.episodes} episodes; the mean error is {np.nanmean(truth['error']):.4f}\n")
    print("| sign | with the error | with the error by motion |\n|---|---|---|")
    for name, values in signs.items():
        print(f"| {name} | {with_interval(values, truth['error'], rng)} | {with_interval(values, by_motion, rng)} |")


if __name__ == "__main__":
    main()
