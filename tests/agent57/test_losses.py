"""The losses: masks, burn-in, what each head learns, sizes of errors."""

import dataclasses

import numpy as np
import pytest
import torch

import genieredux.agent57.losses as losses_module
from genieredux.agent57.config import LearnConfig, ReplayConfig
from genieredux.agent57.losses import Batch, curiosity_losses, unrolled, value_losses
from genieredux.agent57.meme import ErrorSizes, trusted
from genieredux.agent57.replay import Shape
from genieredux.agent57.returns import retrace
from genieredux.models.agent57.agent import Agent
from genieredux.models.agent57.settings import AgentConfig

TRACE, B = 6, 5
LEARN, REPLAY = LearnConfig(), ReplayConfig(trace=TRACE, period=3, burn_in=2)


def config(**changes):
    small = {"image_size": 5, "torso": "compact", "hidden": 8, "policies": 3, "embedding": 4, "rnd_features": 4}
    return AgentConfig(**{**small, **changes})


@pytest.fixture
def agent():
    torch.manual_seed(0)
    return Agent(config(), 4)


def sequences(heads=2, seed=0):
    rng = np.random.default_rng(seed)
    shape = Shape(TRACE, 5, 8, heads)
    made = {name: np.zeros((B, *size), kind) for name, (size, kind) in shape.fields().items()}
    made["frames"] = rng.integers(0, 256, made["frames"].shape, np.uint8)
    made["previous_actions"] = rng.integers(0, 4, made["previous_actions"].shape)
    for name in ("extrinsic_rewards", "intrinsic_rewards"):
        made[name] = rng.normal(size=made[name].shape).astype(np.float32)
    made["behaviour"][:] = 0.5
    made["length"][:] = [6, 3, 6, 1, 4]
    made["ended"][:] = [False, True, True, True, False]
    made["begins"][:] = [True, True, False, True, False]
    made["member"][:] = [0, 1, 2, 1, 0]
    made["states"] = rng.normal(size=made["states"].shape).astype(np.float32)
    return made


def batch(**kwargs):
    return Batch.of(sequences(**kwargs), 2, torch.device("cpu"))


def test_what_is_learned_of_each_sequence():
    made = batch()
    assert made.valid.sum(0).tolist() == [6, 3, 6, 1, 4]
    assert made.learned.sum(0).tolist() == [6, 3, 4, 1, 2]  # burnt in where it begins within an episode
    assert made.discount.sum(0).tolist() == [6, 2, 5, 0, 4]
    assert made.actions[0].tolist() == sequences()["previous_actions"][:, 1].tolist()


def test_a_batch_is_as_long_as_its_longest():
    short = sequences()
    short["length"] = np.minimum(short["length"], 3)
    assert len(Batch.of(short, 2, torch.device("cpu")).inputs.frames) == 4


def test_no_gradient_passes_from_learned_steps_into_a_burn_in(agent):
    made = batch()
    state = tuple(part.clone().requires_grad_() for part in made.states[0])
    unrolled(agent.ext_q, made, state, 2)[2:].sum().backward()
    reached = state[0].grad.abs().sum(-1) > 0
    assert reached.tolist() == made.begins.tolist()


def test_burnt_in_values_are_those_of_one_pass(agent):
    made = batch()
    split, whole = unrolled(agent.ext_q, made, made.states[0], 2), agent.ext_q(made.inputs, made.states[0])[0]
    torch.testing.assert_close(split, whole)


def test_padding_changes_nothing(agent):
    one, other = sequences(), sequences()
    for k, n in enumerate(one["length"]):
        other["frames"][k, n + 1 :] = 7
        for name in ("extrinsic_rewards", "intrinsic_rewards"):
            other[name][k, n + 1 :] = 1e3
        other["previous_actions"][k, n + 1 :] = 1
    made = [Batch.of(each, 2, torch.device("cpu")) for each in (one, other)]
    results = [value_losses(agent, agent, each, torch.ones(B), LEARN, REPLAY) for each in made]
    torch.testing.assert_close(results[0].losses, results[1].losses)
    torch.testing.assert_close(results[0].priorities, results[1].priorities)


def test_each_head_learns_its_own_reward(agent):
    made = batch()
    first = value_losses(agent, agent, made, torch.ones(B), LEARN, REPLAY).losses
    richer = dataclasses.replace(made, extrinsic=made.extrinsic + 1)
    second = value_losses(agent, agent, richer, torch.ones(B), LEARN, REPLAY).losses
    assert second[0] != first[0]
    assert second[1] == first[1]
    gradients = torch.autograd.grad(first[0], list(agent.int_q.parameters()), allow_unused=True)
    assert all(one is None for one in gradients)


def test_one_network_learns_the_sum():
    torch.manual_seed(0)
    alone = Agent(config(separate=False), 4)
    made = batch(heads=1)
    beta = alone.betas[made.members]
    moved = dataclasses.replace(made, extrinsic=made.extrinsic - beta, intrinsic=made.intrinsic + 1)
    losses = [value_losses(alone, alone, each, torch.ones(B), LEARN, REPLAY).losses for each in (made, moved)]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


def test_the_priority_is_of_both_errors(agent):
    made = batch()
    calm = dataclasses.replace(made, members=torch.zeros_like(made.members))  # beta 0
    assert (agent.betas[1:] > 0).all()
    one = value_losses(agent, agent, calm, torch.ones(B), LEARN, REPLAY).priorities
    more = dataclasses.replace(calm, intrinsic=calm.intrinsic + 50)
    torch.testing.assert_close(value_losses(agent, agent, more, torch.ones(B), LEARN, REPLAY).priorities, one)
    curious = dataclasses.replace(made, members=torch.full_like(made.members, 2))
    more = dataclasses.replace(curious, intrinsic=curious.intrinsic + 50)
    few, many = (value_losses(agent, agent, each, torch.ones(B), LEARN, REPLAY).priorities for each in (curious, more))
    assert (many > few + agent.betas[2]).all()


def test_the_online_network_chooses_and_each_member_looks_as_far_as_its_gamma(agent, monkeypatch):
    made, target = batch(), Agent(config(), 4)  # another network, so that the two prefer different actions
    asked, discounts = [], []

    def choose(values, members):
        asked.append(values)
        return Agent.greedy_values(agent, values, members)

    def noting(taken, expected, rewards, discounted, traces):
        discounts.append(discounted)
        return retrace(taken, expected, rewards, discounted, traces)

    monkeypatch.setattr(agent, "greedy_values", choose)
    monkeypatch.setattr(losses_module, "retrace", noting)
    value_losses(agent, target, made, torch.ones(B), LEARN, REPLAY)
    online = [unrolled(head, made, state, REPLAY.burn_in) for head, state in zip(agent.heads, made.states, strict=True)]
    assert len(asked) == 1
    assert all(torch.equal(a, b) for a, b in zip(asked[0], online, strict=True))
    assert len(set(agent.gammas[made.members].tolist())) > 1
    assert torch.equal(discounts[0], made.discount * agent.gammas[made.members])


def test_a_sequence_counts_by_its_weight(agent):
    made, weights = batch(), torch.linspace(0.5, 2, B)
    whole = value_losses(agent, agent, made, weights, LEARN, REPLAY).losses
    each = [value_losses(agent, agent, made, torch.eye(B)[k], LEARN, REPLAY).losses for k in range(B)]
    for head in range(2):
        torch.testing.assert_close(whole[head], sum(weights[k] * each[k][head] for k in range(B)))


@pytest.mark.parametrize("target", ["retrace", "n_step"])
def test_a_value_is_learned(agent, target):
    made = batch()
    target_agent = Agent(config(), 4)
    target_agent.load_state_dict(agent.state_dict())
    learn = LearnConfig(target=target)
    optimizer = torch.optim.Adam([p for head in agent.heads for p in head.parameters()], 1e-2)
    losses = []
    for _ in range(60):
        loss = torch.stack(value_losses(agent, target_agent, made, torch.ones(B), learn, REPLAY).losses).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_curiosity_learns_of_the_last_steps_and_keeps_its_moments(agent):
    made = batch()
    losses = curiosity_losses(agent, made, 2)
    assert set(losses) == {"inverse", "distillation"}
    assert float(agent.lifelong.pixels.count) == 2 + 2 + 2 + 1 + 2
    assert float(agent.lifelong.errors.count) == 9
    frames = made.inputs.frames
    last = torch.stack([frames[n - k, i] for i, n in enumerate([6, 3, 6, 1, 4]) for k in range(min(n, 2))]).float()
    torch.testing.assert_close(agent.lifelong.pixels.mean, last.mean(0))
    losses["inverse"].backward()
    assert agent.embedding.fc.weight.grad.abs().sum() > 0


def test_error_sizes_by_hand():
    sizes = ErrorSizes(heads=1, members=3)
    errors = torch.tensor([[3.0, 0.001], [4.0, 7.0]])
    counted = torch.tensor([[True, True], [True, False]])
    made = sizes.update(0, errors, torch.tensor([0, 2]), counted)
    # sqrt((9 + 16) / 2), and the smallest; what is not counted is not seen
    torch.testing.assert_close(made, torch.tensor([12.5**0.5, 0.01]))
    calmer = sizes.update(0, errors / 10, torch.tensor([0, 2]), counted)
    assert calmer[0] == pytest.approx((0.99 * 12.5 + 0.01 * 0.125) ** 0.5)  # the running size is the larger one
    larger = sizes.update(0, errors * 10, torch.tensor([0, 2]), counted)
    assert larger[0] == pytest.approx(1250**0.5)  # that of the batch is


def test_the_region_of_trust_by_hand():
    values, delayed = torch.tensor([[1.0, 5.0, 5.0, -5.0]]), torch.zeros(1, 4)
    goals = torch.tensor([[9.0, 9.0, 1.0, -9.0]])  # outside it may go back (5 -> 1), not on (5 -> 9)
    assert trusted(values, delayed, goals, torch.full((4,), 2.0)).tolist() == [[True, False, True, False]]


def test_normalised_errors_do_not_depend_on_the_scale_of_a_head(agent):
    made = batch()
    learn = LearnConfig(normalise=True, trust_region=2.0)
    sizes = ErrorSizes(2, 3)
    result = value_losses(agent, agent, made, torch.ones(B), learn, REPLAY, sizes)
    assert all(0 < float(loss.detach()) <= TRACE for loss in result.losses)
