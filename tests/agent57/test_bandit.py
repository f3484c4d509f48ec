"""The bandit by hand, and that its window slides."""

import numpy as np
import pytest

from genieredux.agent57.bandit import SlidingWindowBandit


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_arm_is_tried_first():
    bandit = SlidingWindowBandit(4, window=10, beta=1.0, epsilon=0.5)
    assert [bandit.choose(rng()) for _ in range(4)] == [0, 1, 2, 3]


def test_the_bound_by_hand():
    bandit = SlidingWindowBandit(3, window=10, beta=1.0, epsilon=0.0)
    for arm, value in [(0, 1.0), (0, 2.0), (0, 3.0), (0, 2.0), (1, 2.2), (2, 1.0)]:
        bandit.update(arm, value)
    # 2 + 1/2; 2.2 + 1; 1 + 1
    counts, means = bandit.statistics()
    assert counts.tolist() == [4, 1, 1]
    assert means.tolist() == [2.0, 2.2, 1.0]
    assert bandit.best(1.0) == 1
    assert bandit.best(0.0) == 1
    bandit.update(1, 0.0)  # (1.1) + 0.707 < 2.5
    assert bandit.best(1.0) == 0


def test_the_bonus_is_of_the_root_of_the_count():
    bandit = SlidingWindowBandit(2, window=10, beta=1.0, epsilon=0.0)
    for arm, value in [(0, 2.0), (0, 2.0), (0, 2.0), (0, 2.0), (1, 1.4)]:
        bandit.update(arm, value)
    assert bandit.best(1.0) == 0  # 2 + 1/2 and 1.4 + 1; without the root it were 2 + 1/4


def test_the_window_slides():
    bandit = SlidingWindowBandit(2, window=3, beta=1.0, epsilon=0.0)
    bandit.update(0, 100.0)
    for _ in range(3):
        bandit.update(1, 1.0)
    assert bandit.statistics()[0].tolist() == [0, 3]  # the first pull fell out
    bandit.asked = 2
    assert bandit.choose(rng()) == 0  # so its arm is tried again
    assert bandit.best() == 1  # but nothing is known of it


def test_it_follows_a_change():
    generator = rng(1)
    bandit = SlidingWindowBandit(4, window=40, beta=1.0, epsilon=0.2)
    chosen = []
    for k in range(800):
        arm = bandit.choose(generator)
        chosen.append(arm)
        bandit.update(arm, 5.0 if arm == (1 if k < 400 else 2) else 0.0)
    assert np.bincount(chosen[200:400]).argmax() == 1
    assert np.bincount(chosen[600:]).argmax() == 2


def test_epsilon_is_the_chance_of_a_random_arm():
    bandit = SlidingWindowBandit(4, window=100, beta=0.0, epsilon=0.4)
    bandit.asked = 4
    for arm in range(4):
        bandit.update(arm, float(arm))
    generator = rng(2)
    drawn = np.array([bandit.choose(generator) for _ in range(4000)])
    assert (drawn == 3).mean() == pytest.approx(0.6 + 0.4 / 4, abs=0.03)


def test_going_on():
    one = SlidingWindowBandit(3, 5, 1.0, 0.5)
    for k in range(9):
        one.update(k % 3, float(k))
        one.choose(rng(k))
    other = SlidingWindowBandit(3, 5, 1.0, 0.5)
    other.restore(one.state())
    assert [one.choose(rng(k)) for k in range(20)] == [other.choose(rng(k)) for k in range(20)]
