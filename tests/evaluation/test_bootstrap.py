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


def test_an_episode_of_more_clips_weighs_more_in_every_draw():
    """Where all clips say the same there is no doubt, however unevenly the episodes hold them."""
    uneven = [0, 0, 0, 0, 0, 1, 2, 2]
    alike = bootstrap(uneven).estimate(np.ones(8))
    assert alike.low == alike.high == 1
    assert bootstrap(uneven).estimate(np.array([0.0, 0, 0, 0, 0, 8, 0, 0])).mean == 1


def test_as_many_episodes_are_drawn_as_there_are_with_replacement():
    """Half of all draws of two hold both of them, so the middle 40 % are their mean; the outer ones hold one twice."""
    values = np.array([0.0, 2.0])
    middle = EpisodeBootstrap(np.array([3, 8]), 4000, 0.4, 0).estimate(values)
    assert (middle.low, middle.mean, middle.high) == (1, 1, 1)
    whole = bootstrap([3, 8]).estimate(values)
    assert (whole.low, whole.high) == (0, 2)


def test_a_correlation_is_of_the_drawn_clips_about_their_own_mean():
    """Of two episodes, one in which y follows x and one in which it does the opposite, far apart: drawn alone, each
    says its own."""
    steps = np.arange(5.0)
    x, y = np.concatenate([steps + 100, steps - 100]), np.concatenate([steps + 100, -steps - 100])
    found = bootstrap(np.repeat([0, 1], 5)).correlation(x, y)
    assert found.mean == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert (float(found.low), float(found.high)) == (pytest.approx(-1), pytest.approx(1))
    assert np.isnan(bootstrap([0, 1]).correlation(np.ones(2), np.arange(2.0)).mean)


def test_one_episode_gives_a_mean_and_no_interval():
    estimate = bootstrap([7, 7, 7]).estimate(np.array([1.0, 2.0, 3.0]))
    assert estimate.mean == 2
    assert np.isnan(estimate.low)
    assert np.isnan(estimate.high)
