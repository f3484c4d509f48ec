"""Small explorers of the toy games."""

from dataclasses import replace

import numpy as np

from explore.toys import NAMES, SIDE, KnownWorld
from genieredux.envs import EnvConfig
from genieredux.explore.config import (
    ActorCriticConfig,
    CollectionConfig,
    CommonConfig,
    ExploreConfig,
    NetworkConfig,
    PlayConfig,
    TrainingConfig,
    TrainPlay,
)
from genieredux.explore.learner import ExploreLearner
from genieredux.explore.looking import Looker
from genieredux.explore.rewards import RewardConfig, Watcher, make_reward

COUNTER = EnvConfig("gymnasium", "explore.toys:Counter", image_size=SIDE, action_names=NAMES, max_episode_steps=20)
CORRIDOR = replace(COUNTER, game="explore.toys:Corridor", max_episode_steps=40)


def config_of(reward: RewardConfig, steps: int = 20, envs: int = 3, seed: int = 0, **learning) -> ExploreConfig:
    chosen = {
        "steps_per_epoch": 6, "batch_size": 4, "sequence": 10, "burn_in": 4, "learning_rate": 5e-3, "discount": 0.95,
        "network": NetworkConfig(channels=(8, 8), hidden=16),
    } | learning  # fmt: skip
    play = PlayConfig(num_steps=steps, num_envs=envs, epsilon=0.05, epsilon_final=None)
    return ExploreConfig(
        common=CommonConfig(seed=seed),
        collection=CollectionConfig(games=("toy",), kind="gymnasium", train=TrainPlay(play)),
        reward=reward,
        training=TrainingConfig(actor_critic=ActorCriticConfig(**chosen)),
    )


def learner_of(env: EnvConfig, world: KnownWorld, config: ExploreConfig, look: bool = False) -> ExploreLearner:
    reward = make_reward(config.reward, Watcher(world, seed=config.common.seed))
    looker = Looker(env, 2, 7, 1.0, 12) if look else None
    return ExploreLearner(config, env, NAMES, reward, looker)


def places(learner: ExploreLearner, epochs: int) -> list[np.ndarray]:
    """Epoch after epoch, where its play was: x of every step, (T, N)."""
    visited, play = [], learner._play

    def watched(k):
        made = play(k)
        visited.append(made[0].info["x"])
        return made

    learner._play = watched
    for k in range(1, epochs + 1):
        learner.step(k, 0.0)
    learner.close()
    return visited
