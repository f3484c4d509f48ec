"""Policies: the same seed gives the same actions for a stream, whoever plays beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.policies import (
    HeldPolicy,
    PolicySpec,
    RandomPolicy,
    RecordedPolicy,
    WithRandomActions,
    WithStickyActions,
    make_policy,
)

NUM_ACTIONS = 5


class Decided:
    """Prefers action 1, then 0; has logits."""

    name = "decided"
    plays_alone = True

    def reset(self, n, seed):
        self.resets = [list(seed)]

    def on_reset(self, mask, seeds=None):
        self.resets.append(list(seeds))

    def logits(self, frames):
        return np.tile(np.array([1.0, 2.0, 0.0, 0.0, 0.0]), (len(frames), 1))

    def act(self, frames):
        return self.logits(frames).argmax(axis=1)


MAKERS = {
    "random": lambda: RandomPolicy(NUM_ACTIONS),
    "held": lambda: HeldPolicy(NUM_ACTIONS),
    "random-gamma": lambda: WithRandomActions(HeldPolicy(NUM_ACTIONS), NUM_ACTIONS, gamma=0.3),
    "sticky": lambda: WithStickyActions(RandomPolicy(NUM_ACTIONS), 0.4),
    "sticky-gamma": lambda: PolicySpec("held", NUM_ACTIONS, gamma=0.2, sticky=0.3).build(),
    "sampled": lambda: WithRandomActions(Decided(), NUM_ACTIONS, gamma=0.1, temperature=1.0),
}


def play(policy, n, steps, seed):
    policy.reset(n, seed)
    return np.array([policy.act(np.zeros((n, 4, 4, 3), np.uint8)) for _ in range(steps)])


def run_lengths(actions):
    changes = np.flatnonzero(np.diff(actions)) + 1
    return np.diff(np.concatenate([[0], changes]))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**62), n=st.integers(1, 9))
def test_a_stream_does_not_depend_on_how_many_there_are(make, seed, n):
    seeds = [seed + i for i in range(n)]
    together = play(make(), n, 40, seeds)
    assert together.dtype == np.int64
    assert together.min() >= 0
    assert together.max() < NUM_ACTIONS
    for i in range(n):
        np.testing.assert_array_equal(play(make(), 1, 40, [seeds[i]])[:, 0], together[:, i])
    np.testing.assert_array_equal(play(make(), n, 40, seed)[:, 0], play(make(), 1, 40, seed)[:, 0])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_new_episode_depends_on_its_seed_alone(make):
    policy, frames = make(), np.zeros((3, 4, 4, 3), np.uint8)
    play(policy, 3, 17, [1, 2, 3])
    policy.on_reset(np.array([False, True, False]), [0, 42, 0])
    later = np.array([policy.act(frames) for _ in range(30)])
    np.testing.assert_array_equal(later[:, 1], play(make(), 1, 30, [42])[:, 0])
    np.testing.assert_array_equal(later[:, 0], play(make(), 1, 47, [1])[17:, 0])


def test_without_given_seeds_a_new_episode_differs_from_the_last():
    policy = RandomPolicy(NUM_ACTIONS)
    first = play(policy, 2, 60, 7)
    policy.on_reset(np.ones(2, bool))
    second = np.array([policy.act(np.zeros((2, 4, 4, 3), np.uint8)) for _ in range(60)])
    assert (first != second).any(axis=0).all()


def test_random_is_uniform_and_independent():
    actions = play(RandomPolicy(NUM_ACTIONS), 8, 2000, 0)
    counts = np.bincount(actions.ravel(), minlength=NUM_ACTIONS) / actions.size
    np.testing.assert_allclose(counts, 1 / NUM_ACTIONS, atol=0.015)
    assert abs((actions[1:] == actions[:-1]).mean() - 1 / NUM_ACTIONS) < 0.02


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_held_actions_last_at_least_the_shortest_hold(seed):
    actions = play(HeldPolicy(NUM_ACTIONS), 2, 700, seed)
    for stream in actions.T:
        assert run_lengths(stream).min() >= 4


def test_held_actions_last_4_to_8_steps_uniformly():
    # with very many actions none follows itself, so runs are holds
    lengths = np.concatenate([run_lengths(stream) for stream in play(HeldPolicy(10**6), 4, 5000, 3).T])
    assert lengths.min() == 4
    assert lengths.max() == 8
    counts = np.bincount(lengths, minlength=9)[4:] / len(lengths)
    np.testing.assert_allclose(counts, 0.2, atol=0.03)


def test_recordings_are_played_back_and_hold_their_last_action():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    policy = RecordedPolicy([[1, 2], [3, 4, 0]])
    assert play(policy, 2, 4, 0).T.tolist() == [[1, 2, 2, 2], [3, 4, 0, 0]]
    policy.on_reset(np.array([True, False]))
    assert policy.act(frames).tolist() == [1, 0]
    assert play(RecordedPolicy([2, 3]), 3, 2, 0).tolist() == [[2, 2, 2], [3, 3, 3]]
    with pytest.raises(ValueError, match="2 recordings for 3 streams"):
        RecordedPolicy([[1], [2]]).reset(3, 0)


def test_gamma_is_the_chance_of_a_random_action():
    policy = WithRandomActions(RecordedPolicy([4]), NUM_ACTIONS, gamma=0.25)
    assert abs((play(policy, 10, 1000, 0) != 4).mean() - 0.25 * 4 / 5) < 0.02
    assert (play(WithRandomActions(RecordedPolicy([4]), NUM_ACTIONS), 3, 50, 0) == 4).all()


def test_temperature_samples_preferences():
    def shares(temperature):
        actions = play(WithRandomActions(Decided(), NUM_ACTIONS, temperature=temperature), 10, 1500, 1)
        return np.bincount(actions.ravel(), minlength=NUM_ACTIONS) / actions.size

    expected = np.exp([1, 2, 0, 0, 0]) / np.exp([1, 2, 0, 0, 0]).sum()
    np.testing.assert_allclose(shares(1.0), expected, atol=0.02)
    assert shares(0.0)[1] == 1.0
    np.testing.assert_allclose(shares(1000.0), 0.2, atol=0.02)


@given(st.integers(0, 10**6), st.floats(0.0, 0.95))
@settings(max_examples=20, deadline=None)
def test_sticky_actions_are_the_policys_own_or_the_one_before(seed, probability):
    wanted = play(RandomPolicy(NUM_ACTIONS), 3, 80, seed)
    taken = play(WithStickyActions(RandomPolicy(NUM_ACTIONS), probability), 3, 80, seed)
    np.testing.assert_array_equal(taken[0], wanted[0])  # an episode's first action has none before it
    assert ((taken[1:] == wanted[1:]) | (taken[1:] == taken[:-1])).all()


def test_sticky_actions_repeat_as_often_as_they_are_told():
    # with very many actions only a repeated one equals the one before
    taken = play(WithStickyActions(RandomPolicy(10**6), 0.25), 8, 4000, 0)
    assert abs((taken[1:] == taken[:-1]).mean() - 0.25) < 0.015
    np.testing.assert_array_equal(play(make_policy("held", 5, sticky=0.0), 2, 50, 3), play(HeldPolicy(5), 2, 50, 3))


def test_no_action_sticks_from_one_episode_to_the_next():
    policy = WithStickyActions(RandomPolicy(10**6), 0.9)
    play(policy, 1, 30, [1])
    policy.on_reset(np.array([True]), [2])
    first = policy.act(np.zeros((1, 4, 4, 3), np.uint8))
    assert first == play(RandomPolicy(10**6), 1, 1, [2])[0]


@pytest.mark.parametrize("make", [RandomPolicy, HeldPolicy])
def test_wrappers_play_alone_where_their_policy_does(make):
    assert make(5).plays_alone
    assert WithStickyActions(WithRandomActions(make(5), 5, 0.5), 0.5).plays_alone
    shared = Decided()
    shared.plays_alone = False
    assert not WithStickyActions(WithRandomActions(shared, 5, 0.5), 0.5).plays_alone


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"variant": "random", "sticky": 1.0}, "below 1"),
        ({"variant": "randm"}, "nearest: 'random'"),
        ({"variant": "random", "gamma": 1.5}, "probability"),
        ({"variant": "random", "temperature": 1.0}, "means nothing"),
        ({"variant": "random", "temperature": -1.0}, "0 or more"),
    ],
)
def test_bad_values_are_answered_in_one_line(values, message):
    with pytest.raises(UserError, match=message):
        make_policy(num_actions=NUM_ACTIONS, **values)


def test_names_of_the_registry():
    assert make_policy("random", 5).name == "random"
    assert make_policy("held", 5, gamma=0.1).name == "held"
