"""How well chances tell what happens: values worked out by hand, and those of another implementation."""

import numpy as np
import pytest

from genieredux.training.heads.measure import judge


def test_by_hand() -> None:
    chances = np.array([0.9, 0.8, 0.3, 0.1])
    said = judge(chances, np.array([True, False, True, False]))
    assert said.auc == pytest.approx(3 / 4)  # of the four pairs, 0.3 against 0.8 is the wrong way round
    assert said.precision_mean == pytest.approx((1 + 2 / 3) / 2)
    assert (said.precision, said.recall) == (0.5, 0.5)
    assert (said.count, said.happened, said.base) == (4, 2, 0.5)
    assert said.expected == pytest.approx(0.525)


def test_chances_that_say_nothing_are_worth_nothing() -> None:
    truth = np.array([True, False, False, False])
    said = judge(np.full(4, 0.2), truth)
    assert said.auc == 0.5
    assert said.precision_mean == 0.25
    assert np.isnan(said.precision)


def test_weights_undo_how_they_were_drawn() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.1
    chances = np.clip(0.1 + 0.2 * truth + 0.1 * rng.normal(size=len(truth)), 0, 1)
    whole = judge(chances, truth)
    rows = np.concatenate([np.flatnonzero(truth), np.flatnonzero(~truth)[::4]])
    weights = np.where(truth[rows], 1.0, 4.0)
    part = judge(chances[rows], truth[rows], weights)
    for name in ("auc", "precision_mean", "base", "expected", "recall"):
        assert getattr(part, name) == pytest.approx(getattr(whole, name), abs=0.02), name


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(1)
    chances, truth = rng.integers(0, 12, 300) / 12, rng.random(300) < 0.3
    pairs = np.sign(chances[truth][:, None] - chances[~truth][None])
    assert judge(chances, truth).auc == pytest.approx((pairs.mean() + 1) / 2)


def test_where_nothing_happened_there_is_nothing_to_tell() -> None:
    said = judge(np.array([0.2, 0.4]), np.array([False, False]))
    assert np.isnan(said.auc)
    assert said.expected == pytest.approx(0.3)
