"""Environment steps a second while exploring: of the games alone, played by the agent, and rated by the world; beside
the same rating with one call for every environment and step and nothing kept in between.

    python benchmarks/explore_speed.py [--world coinrun] [--steps 128] [--envs 8] [--sampled 24]

The reward is that of the very next frame (next_entropy). The naive way is timed on --sampled steps, spread evenly over
the rollout, and must give the same rewards. One thread. Rating is counted in CPU seconds of this process,
so that other work on the machine counts little; playing by the clock, for the games run in a process of their own.
"""

import argparse
import time
from contextlib import closing
from itertools import islice

import numpy as np
import torch

from genieredux.collect.player import Player, endless
from genieredux.envs import EnvConfig, make
from genieredux.explore.acting import Acting
from genieredux.explore.config import NetworkConfig
from genieredux.explore.network import ActorCritic
from genieredux.explore.reward import entropy_reward
from genieredux.explore.rewards import RewardConfig, Watcher, make_reward
from genieredux.explore.rollout import Rollout
from genieredux.explore.setting import open_world
from genieredux.frames import to_float
from genieredux.models.world.protocol import World
from genieredux.policies import Policy
from genieredux.policies.scripted import RandomPolicy


def played(env: EnvConfig, envs: int, steps: int, policy: Policy) -> tuple[Rollout, float]:
    """A rollout, and how long it took; environments are made and begun before."""
    with closing(make(env, envs, 0)) as games, closing(Player(games, policy).steps(endless(env, 0))) as played:
        first = next(played)
        began = time.perf_counter()
        rest = list(islice(played, steps - 1))
        return Rollout.of([first, *rest]), time.perf_counter() - began


def one_by_one(world: World, rollout: Rollout, rows: list[tuple[int, int]]) -> np.ndarray:
    """next_entropy of some steps (t, n), each by a dream of its own that is told the whole episode again."""
    values = []
    pieces = {(t, p.env): p for p in rollout.pieces() for t in range(p.first, p.first + p.seen)}
    for t, n in rows:
        piece = pieces[t, n]
        k = t - piece.first
        frames = to_float(rollout.film(piece)[: k + 1])[None]
        actions = torch.from_numpy(rollout.actions[piece.first : t + 1, n])[None]
        step = world.dream(frames, actions[:, :k]).step(actions[:, k])
        values.append(float(entropy_reward(step.logits)[0]))
    return np.array(values)


def main() -> None:
    """See the top of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="coinrun")
    parser.add_argument("--game", default="coinrun")
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--sampled", type=int, default=24)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    world = open_world(given.world, torch.device("cpu"))
    env = EnvConfig(
        "procgen", given.game, world.image_size, tuple(world.action_names), max_episode_steps=256, num_workers=1
    )
    total = given.steps * given.envs
    _, bare = played(env, given.envs, given.steps, RandomPolicy(len(world.action_names)))
    net = ActorCritic(NetworkConfig(channels=(16, 32, 32, 64), hidden=128), world.image_size, len(world.action_names))
    rollout, acted = played(env, given.envs, given.steps, Acting(net, 0.05, 1.0, np.random.default_rng(0)))

    cut = make_reward(RewardConfig("next_entropy"), Watcher(world))
    began = time.process_time()
    cut.rate(rollout)
    together = time.process_time() - began

    whole = make_reward(RewardConfig("next_entropy"), Watcher(world, lanes=given.envs))
    values = whole.rate(rollout)
    rated = [(int(t), int(n)) for t, n in np.argwhere(np.isfinite(values))]
    rows = [rated[k] for k in np.linspace(0, len(rated) - 1, given.sampled).astype(int)]
    began = time.process_time()
    alone = one_by_one(world, rollout, rows)
    naive = (time.process_time() - began) / len(rows) * total
    apart = np.abs(alone - np.array([values[row] for row in rows])).max()

    print(f"{total:,} steps in {given.envs} environments; rewards of the two ways differ by at most {apart:.1e}\n")
    print("| | steps a second |\n|---|---|")
    print(f"| the games alone, random actions | {total / bare:,.0f} |")
    print(f"| played by the agent | {total / acted:,.0f} |")
    print(f"| played and rated: dreams together, what was computed kept | {total / (acted + together):,.1f} |")
    print(f"| played and rated: one call a step and environment, nothing kept | {total / (acted + naive):,.1f} |")
    print(f"\n{(acted + naive) / (acted + together):.1f} times; rating alone {naive / together:.1f} times")


if __name__ == "__main__":
    main()
