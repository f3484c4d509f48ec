"""Retrace, n steps, traces and priorities, against values worked out by hand."""

import pytest
import torch

from genieredux.agent57.returns import behaviour_probability, n_step, retrace, sequence_priority, traces_of
from genieredux.models.agent57.values import inverse_transform, transform


def column(*values):
    return torch.tensor(values)[:, None]


def test_retrace_by_hand():
    # v = 1, 2, 3; e = 4, 5, 6; r = 1, 0, -1; gamma = 1/2, the game ends after the last
    taken, expected = transform(column(1.0, 2.0, 3.0)), column(4.0, 5.0, 6.0)
    rewards, discounts = column(1.0, 0.0, -1.0), column(0.5, 0.5, 0.0)
    traces = column(9.0, 0.8, 0.4)  # the first is of an action that is corrected already
    # delta: 1 + 2 - 1 = 2; 2.5 - 2 = 0.5; -1 - 3 = -4
    # corrections: -4; 0.5 + 0.5 * 0.4 * -4 = -0.3; 2 + 0.5 * 0.8 * -0.3 = 1.88
    by_hand = transform(column(1 + 1.88, 2 - 0.3, 3 - 4.0))
    torch.testing.assert_close(retrace(taken, expected, rewards, discounts, traces), by_hand, atol=1e-5, rtol=0)


def test_retrace_without_traces_is_one_step_and_with_all_of_them_the_return():
    taken = transform(torch.randn(6, 3))
    rewards, expected = torch.randn(6, 3), torch.zeros(6, 3)
    discounts = torch.full((6, 3), 0.9)
    one = retrace(taken, expected, rewards, discounts, torch.zeros(6, 3))
    torch.testing.assert_close(one, transform(rewards))
    # on-policy, lambda 1, e_t = v_(t+1): the sum of discounted rewards
    v = inverse_transform(taken)
    following = torch.cat([v[1:], torch.zeros(1, 3)])
    whole = inverse_transform(retrace(taken, following, rewards, discounts, torch.ones(6, 3)))
    summed = sum(0.9**k * rewards[k] for k in range(6))
    torch.testing.assert_close(whole[0], summed, atol=1e-4, rtol=1e-4)


def test_n_steps_by_hand():
    expected, rewards = column(10.0, 20.0, 30.0, 40.0), column(1.0, 2.0, 3.0, 4.0)
    discounts, valid = torch.full((4, 1), 0.5), torch.ones(4, 1, dtype=torch.bool)
    # two steps: 1 + 1 + 20/4; 2 + 1.5 + 30/4; 3 + 2 + 40/4; one at the end: 4 + 20
    by_hand = transform(column(7.0, 11.0, 15.0, 24.0))
    torch.testing.assert_close(n_step(expected, rewards, discounts, valid, 2), by_hand)
    # the sequence is three steps long, and the game ended there: 3 and nothing after
    discounts[2], valid[3] = 0, False
    by_hand = transform(column(1 + 1 + 0.75, 2 + 1.5, 3.0))
    torch.testing.assert_close(n_step(expected, rewards, discounts, valid, 3)[:3], by_hand)


def test_the_chance_of_an_action_counts_random_draws_that_are_greedy():
    assert behaviour_probability(True, 0.4, 4) == pytest.approx(0.7)
    assert behaviour_probability(False, 0.4, 4) == pytest.approx(0.1)
    assert behaviour_probability(True, 0.4, 4) + 3 * behaviour_probability(False, 0.4, 4) == pytest.approx(1)


def test_traces_are_cut_where_the_action_was_not_greedy():
    greedy, actions = torch.tensor([[0], [1], [2]]), torch.tensor([[0], [0], [2]])
    made = traces_of(greedy, actions, torch.tensor([[0.7], [0.1], [1.0]]), 0.95)
    torch.testing.assert_close(made, column(0.95, 0.0, 0.95))


def test_priorities_by_hand():
    errors = torch.tensor([[1.0, -2.0], [-3.0, 9.0], [2.0, 9.0]])
    valid = torch.tensor([[True, True], [True, False], [True, False]])
    # 0.9 * 3 + 0.1 * 2; a sequence of one step: 2
    torch.testing.assert_close(sequence_priority(errors, valid, 0.9), torch.tensor([2.9, 2.0]))
