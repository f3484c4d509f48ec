"""The agent learns: it goes where random play hardly gets; noise holds what seeks entropy, not what seeks progress."""

from dataclasses import replace

import numpy as np
import pytest

from explore.explorers import CORRIDOR, config_of, learner_of, places
from explore.toys import LENGTH, START, TV, CorridorWorld
from genieredux.explore.rewards import RewardConfig

FAR = LENGTH - 4
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
