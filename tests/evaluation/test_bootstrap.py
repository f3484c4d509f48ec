import numpy as np
import pytest

from genieredux.evaluation.bootstrap import EpisodeBootstrap


def bootstrap(episodes, seed=0, resamples=4000):
    return EpisodeBootstrap(np.asarray(episodes), resamples, 0.95, seed)


def test_clips_of_one_episode_add_no_certainty():
    rng = np.random.default_rng(0)
    of_episode = rng.normal(size=30)
    once = bootstrap(np.arange(30)).estimate(of_episode)
    ten_alike = bootstrap(np.repeat(np.arange(30), 10)).estimate(np.repeat(of_episode, 10))
    as_if_independent = bootstrap(np.arange(300)).estimate(np.repeat(of_episode, 10))
    assert ten_alike.high - ten_alike.low == pytest.approx(once.high - once.low)
    assert as_if_independent.high - as_if_independent.low < 0.5 * (once.high - once.low)


def test_interval_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(3, 2, size=(400, 5))
    estimate = bootstrap(np.arange(400)).estimate(values)
    assert estimate.mean.shape == (5,)
    np.testing.assert_allclose(estimate.high - estimate.low, 2 * 1.96 * values.std(0) / 20, rtol=0.08)
    assert (estimate.low < estimate.mean).all()
    assert (estimate.mean < estimate.high).all()


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        level = rng.normal(size=25)
        episodes = np.repeat(np.arange(25), 4)
        values = level[episodes] + rng.normal(scale=0.3, size=100)
        estimate = bootstrap(episodes, seed=trial, resamples=500).estimate(values)
        covered += bool(estimate.low <= 0 <= estimate.high)
    assert 0.87 <= covered / 200 <= 1


def test_seed_fixes_it_and_constants_have_no_width():
    values = np.random.default_rng(3).normal(size=20)
    first, again, other = (bootstrap(np.arange(20), seed).estimate(values) for seed in (0, 0, 1))
    assert (first.low, first.high) == (again.low, again.high)
    assert first.low != other.low
    constant = bootstrap(np.arange(20)).estimate(np.ones(20))
    assert constant.low == constant.high == 1


def test_one_episode_gives_a_mean_and_no_interval():
    estimate = bootstrap([7, 7, 7]).estimate(np.array([1.0, 2.0, 3.0]))
    assert estimate.mean == 2
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)
