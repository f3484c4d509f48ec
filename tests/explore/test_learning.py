"""The agent learns: it goes where random play hardly gets; noise holds what seeks entropy, not what seeks progress."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from explore.explorers import CORRIDOR, config_of, learner_of, places
from explore.toys import CODES, LENGTH, START, TV, Corridor, CorridorWorld
from genieredux.explore.rewards import RewardConfig

FAR = LENGTH - 4
SPIKES = replace(CORRIDOR, game="explore.toys:Spikes")
NO_TELEVISION = {"television": False}


def test_it_goes_where_random_play_hardly_gets():
    env = replace(CORRIDOR, options=NO_TELEVISION)
    config = config_of(RewardConfig("next_entropy"), steps=40, envs=8, steps_per_epoch=12, batch_size=8)
    visited = places(learner_of(env, CorridorWorld(curious=True), config), 30)
    walks = START + np.cumsum(np.random.default_rng(0).choice([-1, 1], (10_000, 40)), 1)
    assert (walks.max(1) >= FAR).mean() < 0.02  # random play
    assert (visited[0].max(0) >= FAR).mean() < 0.2
    assert (visited[-1].max(0) >= FAR).mean() > 0.8


def at_television(kind: str, epochs: int, **options) -> np.ndarray:
    """Epoch after epoch, the share of its steps at the television."""
    reward = RewardConfig(kind, learning_rate=3e-3, width=16, **options)
    config = config_of(reward, 40, 8, steps_per_epoch=12, batch_size=8)
    return np.array([(x <= TV).mean() for x in places(learner_of(CORRIDOR, CorridorWorld(), config), epochs)])


def test_the_noisy_television_holds_what_seeks_entropy():
    shares = at_television("next_entropy", 14)
    assert shares[6:].min() > 0.7, shares


def test_what_seeks_progress_comes_and_leaves():
    shares = at_television("progress", 20, updates=40)
    assert shares[2:].max() > 0.5, shares  # noise is new at first
    assert shares[-4:].mean() < 0.3, shares


@pytest.mark.slow
def test_what_seeks_disagreement_leaves_too():
    shares = at_television("disagreement", 16, updates=40)
    assert min(shares[k : k + 4].mean() for k in range(4, 13)) < 0.3, shares


def hits(masked_ends: int) -> np.ndarray:
    """Epoch after epoch, how often an episode of 40 steps loses a life."""
    reward = RewardConfig("next_entropy", masked_ends=masked_ends)
    config = config_of(reward, 40, 8, steps_per_epoch=12, batch_size=8)
    visited = places(learner_of(SPIKES, CorridorWorld(), config), 8)
    return np.array([((x[:-1] == TV + 1) & (x[1:] == START)).sum(0).mean() for x in visited])


def test_being_hit_is_sought_unless_the_end_of_a_life_is_masked():
    sought, masked = hits(0), hits(1)
    assert sought[-2:].mean() > 8, sought
    assert masked[-2:].mean() < 3, masked


class Rewarded(gymnasium.Wrapper):
    """The corridor without a television, whose own reward is what the curious world's entropy comes to; in [0, 1]."""

    def __init__(self) -> None:
        super().__init__(gymnasium.wrappers.TimeLimit(Corridor(television=False), CORRIDOR.max_episode_steps))
        self.furthest: list[int] = []

    def reset(self, **options):
        self.furthest.append(START)
        return super().reset(**options)

    def step(self, action):
        doubt = CorridorWorld(curious=True).doubt(self.unwrapped.x, int(action))
        frame, _, terminated, truncated, info = super().step(action)
        self.furthest[-1] = max(self.furthest[-1], self.unwrapped.x)
        return frame, 2 * np.log(doubt) / np.log(CODES), terminated, truncated, info


@pytest.mark.slow
def test_it_learns_as_much_of_as_many_steps_as_the_referee():
    """RecurrentPPO of sb3-contrib, with the same steps, environments, updates of the same size and LSTM."""
    contrib = pytest.importorskip("sb3_contrib")
    vectors = pytest.importorskip("stable_baselines3.common.vec_env")
    games = [Rewarded() for _ in range(8)]
    flat = [gymnasium.wrappers.FlattenObservation(gymnasium.wrappers.RescaleObservation(g, 0.0, 1.0)) for g in games]
    model = contrib.RecurrentPPO(
        "MlpLstmPolicy", vectors.DummyVecEnv([lambda game=game: game for game in flat]), n_steps=40, batch_size=80,
        n_epochs=3, learning_rate=5e-3, gamma=0.95, ent_coef=0.001, seed=0, device="cpu",
        policy_kwargs={"lstm_hidden_size": 16, "net_arch": [], "shared_lstm": True, "enable_critic_lstm": False},
    )  # fmt: skip
    model.learn(30 * 40 * 8)
    referee = np.mean([furthest >= FAR for game in games for furthest in game.furthest[-4:-1]])
    config = config_of(RewardConfig("next_entropy"), steps=40, envs=8, steps_per_epoch=12, batch_size=8)
    env = replace(CORRIDOR, options=NO_TELEVISION)
    visited = places(learner_of(env, CorridorWorld(curious=True), config), 30)
    own = np.mean([x.max(0) >= FAR for x in visited[-3:]])
    assert own >= referee - 0.1, (own, referee)
    assert own > 0.8
