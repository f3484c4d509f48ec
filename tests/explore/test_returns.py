"""Advantages against the definition computed by hand, and segments against the whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.explore.config import NetworkConfig
from genieredux.explore.network import ActorCritic
from genieredux.explore.returns import advantages
from genieredux.explore.segments import Experience, batches, cut, starts_of


def slow_returns(rewards, values, next_values, ended, discount, trace):
    """G_t = r_t + discount * ((1 - trace) V_{t+1} + trace * G_{t+1}), one environment at a time, by recursion."""

    def at(t, n):
        if ended[t, n] or t == len(rewards) - 1:
            return rewards[t, n] + discount * next_values[t, n]
        return rewards[t, n] + discount * ((1 - trace) * next_values[t, n] + trace * at(t + 1, n))

    return np.array([[at(t, n) for n in range(rewards.shape[1])] for t in range(len(rewards))])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_advantages_are_lambda_returns_less_values(seed, discount, trace):
    rng = np.random.default_rng(seed)
    rewards, values, next_values = rng.normal(size=(3, 9, 2))
    ended = rng.random((9, 2)) < 0.25
    next_values[:-1][~ended[:-1]] = values[1:][~ended[:-1]]
    next_values[ended & (rng.random((9, 2)) < 0.5)] = 0.0
    found = advantages(*map(torch.from_numpy, (rewards, values, next_values, ended)), discount, trace)
    expected = slow_returns(rewards, values, next_values, ended, discount, trace) - values
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


STEPS, ENVS = 23, 3


@pytest.fixture
def net():
    torch.manual_seed(0)
    return ActorCritic(NetworkConfig(channels=(4, 4), hidden=8), 16, 3).eval()


def experience(net, seed=0):
    """Random play, with what the network says at every step, one step at a time."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (STEPS, ENVS, 3, 16, 16), dtype=torch.uint8, generator=generator)
    actions = torch.randint(0, 3, (STEPS, ENVS), generator=generator)
    begun = torch.rand(STEPS, ENVS, generator=generator) < 0.15
    begun[0] = True
    before = torch.cat([torch.full((1, ENVS), -1), actions[:-1]]).masked_fill(begun, -1)
    state, hidden, cell, values = net.begin(ENVS), [], [], []
    with torch.no_grad():
        for t in range(STEPS):
            hidden.append(state[0])
            cell.append(state[1])
            judged = net(frames[t : t + 1], before[t : t + 1], begun[t : t + 1], state)
            state = judged.state
            values.append(judged.values[0])
    numbers = torch.arange(STEPS * ENVS, dtype=torch.float32).view(STEPS, ENVS)
    return Experience(
        frames, before, actions, begun, numbers, numbers, torch.stack(values), numbers >= 0, torch.stack(hidden),
        torch.stack(cell),
    )  # fmt: skip


@pytest.mark.parametrize("burn", [0, 1, 5, 40])
@pytest.mark.parametrize("length", [1, 6, 23])
def test_segments_after_burn_in_say_what_play_said(net, burn, length):
    whole = experience(net)
    segment = cut(whole, starts_of(STEPS, ENVS, length), length, burn)
    with torch.no_grad():
        state = segment.state
        if burn:
            state = net(segment.frames[:burn], segment.before[:burn], segment.begun[:burn], state).state
        judged = net(segment.frames[burn:], segment.before[burn:], segment.begun[burn:], state)
    found = judged.values[segment.mask]
    torch.testing.assert_close(found, segment.returns[segment.mask], atol=1e-6, rtol=1e-5)
    assert segment.mask.sum() == STEPS * ENVS
    assert sorted(segment.chances[segment.mask].tolist()) == list(range(STEPS * ENVS))


def test_padding_is_masked_and_every_segment_comes_before_any_comes_again(net):
    whole = experience(net)
    rng = np.random.default_rng(0)
    made = list(batches(whole, 6, 2, size=4, count=3, rng=rng))
    steps = torch.cat([segment.chances[segment.mask] for segment in made])
    assert sorted(steps.tolist()) == list(range(STEPS * ENVS))
    assert any(not segment.mask.all() for segment in made)
    assert {len(segment.actions) for segment in made} == {6}


def test_memory_and_action_before_mean_nothing_to_an_episode_that_begins(net):
    frames = torch.randint(0, 256, (1, 2, 3, 16, 16), dtype=torch.uint8)
    begun = torch.tensor([[True, False]])
    stale = (torch.ones(2, 8), torch.ones(2, 8))
    one = net(frames, torch.tensor([[2, 2]]), begun, stale).values
    fresh = net(frames, torch.tensor([[-1, -1]]), begun, net.begin(2)).values
    assert torch.equal(one[0, 0], fresh[0, 0])
    assert not torch.equal(one[0, 1], fresh[0, 1])
