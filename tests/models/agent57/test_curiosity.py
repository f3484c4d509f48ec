"""Novelty within an episode and over the whole life, against values worked out by hand."""

import math

import numpy as np
import pytest
import torch

from genieredux.models.agent57.curiosity import EpisodicMemories, LifeLong, Memory, episodic_bonus
from genieredux.models.agent57.running import RunningMoments
from genieredux.models.agent57.settings import AgentConfig

SMALL = AgentConfig(image_size=8, torso="compact", hidden=8, embedding=2, rnd_features=4, memory=10, neighbours=2)


def test_the_bonus_by_hand():
    config = AgentConfig(neighbours=2, kernel_epsilon=0.5, cluster_distance=0.25, similarity_constant=0.1)
    # d^2 / d_m^2 = 0.2 and 1.25 -> less the cluster 0 and 1 -> K = 1 and 1/3 -> 1 / (sqrt(4/3) + 0.1)
    bonus = episodic_bonus(np.array([0.4, 2.5]), 2.0, config)
    assert bonus == pytest.approx(1 / (math.sqrt(4 / 3) + 0.1))
    # one neighbour of two stands for both: K = 1/3 -> 1 / (sqrt(2/3) + 0.1)
    assert episodic_bonus(np.array([2.5]), 2.0, config) == pytest.approx(1 / (math.sqrt(2 / 3) + 0.1))
    assert episodic_bonus(np.zeros(0), 2.0, config) == 0


def test_what_is_too_much_alike_earns_nothing():
    # ten times the same: sqrt(10) + 0.001 = 3.163
    alike = np.zeros(10)
    assert episodic_bonus(alike, 1.0, AgentConfig()) == pytest.approx(1 / (math.sqrt(10) + 0.001))
    assert episodic_bonus(alike, 1.0, AgentConfig(max_similarity=3.0)) == 0


def test_memories_are_of_their_episode_and_share_the_mean_distance():
    memories = EpisodicMemories(SMALL, streams=2)
    assert memories.bonus(0, np.array([0, 0], np.float32)) == 0  # nothing to compare with
    memories.bonus(0, np.array([3, 4], np.float32))  # 25 from the one before: the mean is 25
    assert memories.mean == 25
    memories.bonus(0, np.array([0, 0], np.float32))  # 0 and 25: the mean of 25, 0, 25
    assert memories.mean == pytest.approx(50 / 3)
    assert memories.bonus(1, np.array([0, 0], np.float32)) == 0
    memories.forget(0)
    assert memories.bonus(0, np.array([0, 0], np.float32)) == 0
    assert memories.mean == pytest.approx(50 / 3)


def test_a_frozen_mean_stays():
    memories = EpisodicMemories(SMALL, 1, mean=5.0, frozen=True)
    for x in range(4):
        memories.bonus(0, np.array([x, 0], np.float32))
    assert memories.mean == 5.0


@pytest.mark.parametrize("capacity", [3, 100])
def test_a_memory_keeps_the_newest_and_finds_the_nearest(capacity):
    rows = np.random.default_rng(0).normal(size=(150, 4)).astype(np.float32)
    memory = Memory(capacity)
    for row in rows:
        memory.add(row)
    expected = np.sort(np.square(rows[-capacity:] - 1).sum(1))[:2]
    np.testing.assert_allclose(memory.nearest(np.ones(4, np.float32), 2), expected, rtol=1e-5)
    again = Memory.restored(capacity, memory.state())
    for one in (memory, again):
        one.add(np.ones(4, np.float32))
        assert one.nearest(np.ones(4, np.float32), 1) == 0
        assert len(one) == capacity


def test_running_moments_are_those_of_all_values():
    values = torch.randn(40, 3) * 4 + 7
    moments = RunningMoments((3,), math.inf)
    for part in values.split([1, 9, 30]):
        moments.update(part)
    torch.testing.assert_close(moments.mean, values.mean(0))
    torch.testing.assert_close(moments.var, values.var(0, unbiased=False))


def test_old_values_fade():
    moments = RunningMoments((), window=10)
    moments.update(torch.full((10,), 100.0))
    for _ in range(100):
        moments.update(torch.zeros(10))
    assert moments.mean < 1e-3


def test_the_life_long_factor_by_hand():
    lifelong = LifeLong(SMALL)
    lifelong.errors.mean.fill_(2.0)
    lifelong.errors.var.fill_(4.0)
    # 1 + (error - 2) / 2, between 1 and 5
    factors = lifelong.factor(torch.tensor([0.0, 2.0, 5.0, 9.0, 100.0]))
    torch.testing.assert_close(factors, torch.tensor([1.0, 1.0, 2.5, 4.5, 5.0]))


def test_the_error_of_a_frame_that_was_learned_falls_and_the_normalisers_are_saved():
    torch.manual_seed(0)
    lifelong = LifeLong(SMALL)
    frames = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    lifelong.pixels.update(frames.float())
    optimizer = torch.optim.Adam(lifelong.predictor.parameters(), 1e-2)
    before = lifelong.error(frames).detach()
    for _ in range(100):
        optimizer.zero_grad()
        lifelong.error(frames)[0].backward()
        optimizer.step()
    after = lifelong.error(frames).detach()
    assert after[0] < 0.01 * before[0]
    assert after[0] < after[1]
    names = set(lifelong.state_dict())
    assert {f"{part}.{name}" for part in ("pixels", "errors") for name in ("mean", "var", "count")} <= names
