"""Codes against actions: a relabelling is found, chance is chance, a code never seen is no answer."""

import numpy as np
import pytest

from genieredux.errors import UserError
from genieredux.models.latent.mapping import ActionMapping, count_codes

NAMES = ("RIGHT", "LEFT", "JUMP")


def test_a_relabelling_is_found() -> None:
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 3, (50, 15))
    codes = np.array([4, 0, 2])[actions]
    mapping = count_codes(codes, actions, 5, NAMES)
    assert mapping.to_latent == (4, 0, 2)
    assert [mapping.to_true[code] for code in mapping.to_latent] == [0, 1, 2]
    assert mapping.accuracy() == 1.0
    assert mapping.information() == pytest.approx(1.0)


def test_codes_that_know_nothing() -> None:
    rng = np.random.default_rng(0)
    mapping = count_codes(rng.integers(0, 5, 60_000), rng.integers(0, 3, 60_000), 5, NAMES)
    assert mapping.accuracy() == pytest.approx(1 / 3, abs=0.02)
    assert mapping.information() == pytest.approx(0.0, abs=1e-3)


def test_a_frequent_action_does_not_take_all_codes() -> None:
    # Most transitions are RIGHT, and code 0 (nothing moved) is the likeliest code of every action.
    counts = np.array([[800, 60, 60], [190, 2, 1], [10, 38, 1], [0, 0, 38]])
    mapping = ActionMapping(counts, NAMES)
    assert mapping.to_latent == (1, 2, 3)
    assert mapping.to_true == (0, 0, 1, 2)


def test_accuracy_is_that_of_other_transitions() -> None:
    mapping = ActionMapping(np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]]), NAMES)
    assert mapping.accuracy(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]])) == 0.75


def test_an_unseen_code_means_the_most_frequent_action() -> None:
    assert ActionMapping(np.array([[1, 0, 0], [0, 5, 0], [0, 0, 0]]), NAMES).to_true == (0, 1, 1)


def test_it_travels_in_plain_values() -> None:
    mapping = ActionMapping(np.arange(6).reshape(2, 3), NAMES)
    again = ActionMapping.from_json(mapping.to_json())
    assert np.array_equal(again.counts, mapping.counts)
    assert again.action_names == NAMES


def test_shapes_and_ranges() -> None:
    with pytest.raises(UserError, match="one of each"):
        count_codes(np.zeros((2, 3), int), np.zeros((2, 4), int), 5, NAMES)
    with pytest.raises(UserError, match="codes go from 0 to 4"):
        count_codes(np.full(3, 5), np.zeros(3, int), 5, NAMES)


def test_an_action_s_code_is_judged_as_if_actions_were_equally_frequent() -> None:
    # Code 0 is taken for the rare action 1 and the frequent action 0; code 1 for actions 1 and 2, which are rarer.
    assert ActionMapping(np.array([[8, 4, 0], [0, 4, 7], [992, 2, 93]]), NAMES).to_latent == (2, 0, 2)


def test_a_code_that_an_action_hardly_ever_takes_does_not_speak_for_it() -> None:
    assert ActionMapping(np.array([[98, 50], [2, 0], [0, 48]]), NAMES[:2]).to_latent == (0, 2)


def test_information_is_the_share_of_what_there_is_to_know_of_the_action() -> None:
    assert ActionMapping(np.array([[25, 0], [25, 0], [0, 50]]), NAMES[:2]).information() == pytest.approx(1.0)


def test_every_transition_counts() -> None:
    counted = count_codes(np.array([[0, 0], [1, 0]]), np.array([[1, 1], [0, 1]]), 2, NAMES[:2])
    assert counted.counts.tolist() == [[0, 3], [1, 0]]
