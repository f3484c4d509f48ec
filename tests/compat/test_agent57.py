"""Published Agent57 players: all forms, from made weights of the published names."""

import numpy as np
import pytest
import torch

from compat.published_agent57 import published_state
from genieredux.compat import agent57
from genieredux.errors import UserError
from published_cases import FIXTURES

EXPECTED = np.load(FIXTURES / "agent57.npz")


@pytest.fixture(scope="module")
def state():
    return published_state(5, 32)


@pytest.fixture(scope="module")
def agent(state):
    return agent57.load(state)


def test_the_published_values(agent):
    inputs = [EXPECTED[name] for name in ("frames", "previous_actions", "extrinsic_rewards", "intrinsic_rewards")]
    extrinsic, intrinsic = agent.q_values(*inputs, EXPECTED["policy_index"])
    np.testing.assert_allclose(extrinsic, EXPECTED["ext_q"], atol=1e-4)
    np.testing.assert_allclose(intrinsic, EXPECTED["int_q"], atol=1e-4)
    assert extrinsic.std() > 0.01


def test_the_published_embedding_and_its_inverse(agent):
    embedding = agent.embed(EXPECTED["frames"]).flatten(0, 1)
    np.testing.assert_allclose(embedding, EXPECTED["embedding"], atol=1e-4)
    logits = agent.embedding.inverse(embedding[:3], embedding[3:]).detach()
    np.testing.assert_allclose(logits, EXPECTED["inverse_logits"], atol=1e-4)


def test_the_published_distillation(agent):
    frames = torch.from_numpy(EXPECTED["frames"]).flatten(0, 1).float()
    for net, name in ((agent.target, "rnd_target"), (agent.predictor, "rnd_predictor")):
        np.testing.assert_allclose(net(frames), EXPECTED[name], rtol=1e-5, atol=1e-3)  # up to 500: pixels up to 255


def test_a_whole_episode_of_the_published_player(agent):
    acting, curiosity = agent.acting(1), agent57.PublishedCuriosity(agent, 1)
    acting.begin(0)
    action = np.zeros(1, np.int64)
    for t, which in enumerate(EXPECTED["actor_order"]):
        frame = EXPECTED["actor_frames"][which][None]
        reward = np.array([EXPECTED["actor_rewards"][t] if t else 0], np.float32)
        acted = acting.step(frame, action, reward, np.array([t == 0]))
        action = acted.values.argmax(-1)
        lifelong, episodic, intrinsic = EXPECTED["actor_bonuses"][t]
        assert action == EXPECTED["actor_actions"][t]
        assert curiosity.parts(frame, 0) == pytest.approx((lifelong, episodic), rel=1e-4, abs=1e-4)
        assert acted.intrinsic[0] == pytest.approx(intrinsic, rel=1e-4, abs=1e-4)
    assert len(set(EXPECTED["actor_actions"].tolist())) > 1


@pytest.mark.parametrize(("actions", "policies"), [(2, 1), (9, 4), (18, 32)])
@pytest.mark.parametrize("rnd", ["linear 128", "linear 256", "three 256"])
def test_other_numbers_and_the_other_forms(actions, policies, rnd):
    agent = agent57.load(published_state(actions, policies, rnd))
    assert (agent.num_actions, agent.config.policies) == (actions, policies)
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 1, 84, 84), np.uint8)
    numbers = np.zeros((2, 3), np.int64)
    extrinsic, _ = agent.q_values(frames, numbers, numbers.astype(np.float32), numbers.astype(np.float32), numbers)
    assert extrinsic.shape == (2, 3, actions)
    torch.testing.assert_close(agent.q_values(frames[:, :, 0], numbers, numbers, numbers, numbers)[0], extrinsic)
    slopes = {type(part).__name__ for part in agent.target.torso} & {"ReLU", "LeakyReLU"}
    assert slopes == ({"ReLU"} if rnd == "linear 128" else {"LeakyReLU"})
    assert len([part for part in agent.target.head if isinstance(part, torch.nn.Linear)]) == (
        1 if "linear" in rnd else 3
    )


def without(state, part, name):
    return {**state, part: {key: value for key, value in state[part].items() if key != name}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"network": s["network"]}, "there is no state dict 'embedding_network'"),
        (lambda s: without(s, "network", "ext_q.lstm.bias_ih_l0"), "network: ext_q.lstm.bias_ih_l0 is missing"),
        (lambda s: without(s, "rnd_target_network", "body.2.bias"), "rnd_target_network: torso.2.bias is missing"),
        (lambda s: {**s, "network": {**s["network"], "policy.weight": torch.ones(1)}}, "policy.weight belongs to no"),
        (lambda s: {**s, "network": {**s["network"], "ext_q.lstm.bias_ih_l0": 3}}, "is no tensor but int"),
        (
            lambda s: {**s, "network": {**s["network"], "int_q.lstm.bias_ih_l0": torch.ones(5)}},
            r"int_q.lstm.bias_ih_l0 is \(5,\) and must be \(2048,\)",
        ),
        (
            lambda s: {**s, "network": {**s["network"], "ext_q.lstm.weight_ih_l0": torch.ones(2048, 3143)}},
            "leave none for policies",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(state, change, message):
    with pytest.raises(UserError, match=message) as error:
        agent57.load(change(state))
    assert "\n" not in str(error.value)


def test_inputs_that_do_not_fit_are_said_in_a_line(agent):
    ones, floats = np.zeros((2, 3), np.int64), np.zeros((2, 3), np.float32)
    frames = np.zeros((2, 3, 1, 84, 84), np.uint8)
    with pytest.raises(UserError, match=r"this agent sees \(..., 1, 84, 84\)"):
        agent.q_values(frames[..., :64], ones, floats, floats, ones)
    with pytest.raises(UserError, match="must be uint8"):
        agent.embed(frames.astype(np.float32))
    with pytest.raises(UserError, match="previous_actions must be whole numbers from 0 to 4"):
        agent.q_values(frames, ones + 5, floats, floats, ones)
    with pytest.raises(UserError, match=r"policy_index are \(2, 2\); beside these frames they must be \(2, 3\)"):
        agent.q_values(frames, ones, floats, floats, ones[:, :2])


def test_a_file_is_checked_against_the_game(state, tmp_path):
    path = tmp_path / "Agent57_Mario.ckpt"
    facts = {"iteration": 3, "environment_name": "SuperMarioBros-Nes-v0", "agent_name": "Agent57"}
    torch.save({**facts, **state}, path)
    assert agent57.open_agent(path, 5, "SuperMarioBros-Nes").num_actions == 5
    with pytest.raises(UserError, match=r"knows 5 actions and the game has 7; set connector\.action_names"):
        agent57.open_agent(path, 7)
    with pytest.raises(UserError, match="was trained on SuperMarioBros-Nes-v0 and the game is Airstriker-Genesis"):
        agent57.open_agent(path, 5, "Airstriker-Genesis")
    with pytest.raises(UserError, match="there is no file"):
        agent57.open_agent(tmp_path / "none.ckpt")
