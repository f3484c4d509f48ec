"""Training: to the bit after a stop, alike wherever actors play, and what happens when one of them dies."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from genieredux.agent57 import replay as replay_module
from genieredux.agent57.actor import Actor, epsilons
from genieredux.agent57.learner import AgentLearner
from genieredux.agent57.run import evaluate, train
from genieredux.envs.factory import describe
from genieredux.errors import UserError
from genieredux.models.agent57.file import load_agent
from genieredux.models.checkpoint import load_model
from genieredux.training import Interrupted


def weights(path):
    return load_model(path).state_dict


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def make_learner(cfg):
    return AgentLearner(cfg, describe(cfg.env.env()), torch.device("cpu"))


def test_a_run_that_was_stopped_ends_as_one_that_was_not(make_config):
    whole = train(make_config(run_name="whole"))
    train(make_config(run_name="parts", train={"num_train_steps": 4}))
    parts = train(make_config(run_name="parts"))
    assert same(weights(whole.model_path), weights(parts.model_path))
    assert whole.history[-2]["loss"] == parts.history[-2]["loss"]
    assert {"return", "curiosity_return", "replay_age", "env_steps_per_s", "member", "best_member"} <= set(
        whole.history[0]
    )


def test_going_on_without_the_replay_plays_first(make_config):
    changes = {"min_size": 8, "save": False}
    train(make_config(replay=changes, train={"num_train_steps": 4}))
    assert train(make_config(replay=changes)).last_step == 8


def test_sigterm_leaves_a_checkpoint(make_config, monkeypatch):
    cfg = make_config(train={"num_train_steps": 1000, "save_model_every": 1000})
    step = AgentLearner.step

    def stopping(self, k, elapsed):
        if k == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, k, elapsed)

    monkeypatch.setattr(AgentLearner, "step", stopping)
    with pytest.raises(Interrupted) as stopped:
        train(cfg)
    assert stopped.value.code == 143
    assert (cfg.folder / "model-3.pt").is_file()
    assert (cfg.folder / "state-3.pt").is_file()


def test_processes_change_no_number(make_config):
    here = train(make_config(run_name="here", train={"num_train_steps": 3}))
    apart = train(make_config(run_name="apart", train={"num_train_steps": 3}, actors={"processes": 1}))
    assert same(weights(here.model_path), weights(apart.model_path))


def test_an_actor_that_is_killed_is_replaced(make_config, caplog):
    learner = make_learner(make_config(actors={"processes": 2, "pull": 100}))
    try:
        learner.step(1, 0.0)
        victim = learner.crew.pids()[1]
        os.kill(victim, signal.SIGKILL)
        time.sleep(0.1)
        for k in range(2, 5):
            learner.step(k, 0.0)
        assert victim not in learner.crew.pids()
        assert len(learner.crew.pids()) == 2
        assert "actor 1 died (SIGKILL); another takes its place" in caplog.text
        first, second = learner.state()["crew"]
        assert second["lanes"][0]["seed"][2] == 1  # with episodes of its own
        assert all(torch.equal(second["weights"][name], values) for name, values in first["weights"].items())
    finally:
        learner.close()


def test_a_replay_that_memory_has_no_room_for_is_refused_before_anything_is_there(make_config, monkeypatch):
    monkeypatch.setattr(replay_module, "free_memory", lambda: 10_000)
    cfg = make_config()
    with pytest.raises(UserError, match=r"replay.capacity=40 sequences of 6 steps need .* or less"):
        train(cfg)
    assert not cfg.folder.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replay": {"burn_in": 4}}, r"replay.burn_in is 4; it must be 3 \(replay.trace - replay.period\) or less"),
        ({"replay": {"period": 9}}, r"replay.period is 9; it must be 6 \(replay.trace\) or less"),
        ({"replay": {"capacity": 5}}, "replay.capacity is 5; it must be 8 or more"),
        ({"agent": {"gammas": "agent57"}}, "agent.policies is 3; it must be 10 or more"),
        ({"learn": {"trust_region": 2.0}}, "learn.normalise is False; it must be true where trust_region is set"),
        ({"env": {"kind": "retroo"}}, "env.kind is 'retroo'; did you mean retro"),
        ({"env": {"kind": "retro"}}, "actors.lanes is 2; it must be 1 for env.kind=retro"),
        ({"eval": {"member": 3}}, r"eval.member is 3; it must be below agent.policies \(3\)"),
        ({"train": {"schedule": "time", "time_limit_s": 3}}, "train.schedule is 'time'; it must be steps"),
    ],
)
def test_settings_that_cannot_be_are_said_in_a_line(make_config, changes, message):
    with pytest.raises(UserError, match=message) as error:
        make_config(**changes)
    assert "\n" not in str(error.value)


def test_another_run_is_not_gone_on_with(make_config):
    train(make_config(train={"num_train_steps": 4}))
    with pytest.raises(UserError, match="was trained with hidden=8 but the configuration says 12"):
        train(make_config(agent={"hidden": 12}))
    with pytest.raises(UserError, match=r"does not fit this run .* set actors\.\* and replay\.\* as they were"):
        train(make_config(actors={"lanes": 3}))


def test_epsilons_by_hand():
    # 0.4^1, 0.4^(1 + 7/2), 0.4^8
    assert epsilons(0.4, 7.0, 3) == pytest.approx([0.4, 0.4**4.5, 0.4**8])
    assert epsilons(0.4, 7.0, 1) == pytest.approx([0.4])


def test_actors_share_the_ladder_of_epsilons(make_config):
    learner = make_learner(make_config(actors={"lanes": 2}))
    setups = learner._setups(learner.replay.shape)
    assert len(setups) == 1
    both = [Actor(replace(setups[0], number=i, count=2)).epsilons for i in range(2)]
    assert sorted(np.concatenate(both)) == pytest.approx(sorted(epsilons(0.4, 7.0, 4)))
    learner.close()


@pytest.mark.parametrize("changes", [{"separate": False}, {"policies": 1, "separate": False}, {"beta": 0.0}])
def test_the_other_agents_of_the_same_code(make_config, changes):
    assert train(make_config(agent=changes, train={"num_train_steps": 3})).last_step == 3


def test_meme_and_n_steps(make_config):
    learn = {"normalise": True, "trust_region": 2.0, "target": "n_step"}
    whole = train(make_config(run_name="whole", learn=learn))
    train(make_config(run_name="parts", learn=learn, train={"num_train_steps": 4}))
    assert same(weights(whole.model_path), weights(train(make_config(run_name="parts", learn=learn)).model_path))


def test_what_is_saved_is_played_and_measured(make_config):
    result = train(make_config())
    file = load_agent(result.best_path)
    assert file.action_names == ("UP", "DOWN", "LEFT", "RIGHT")
    assert file.distance > 0
    assert float(file.agent.lifelong.pixels.count) > 0
    scores = evaluate(make_config(eval={"agent_fpath": str(result.best_path), "episodes": 6}))
    assert [len(score.returns) for score in scores] == [6, 6, 6, 6]
    assert scores[1].name == "random"
    assert scores[3].name.removesuffix(" held") in file.action_names
    again = evaluate(make_config(eval={"agent_fpath": str(result.best_path), "episodes": 6}))
    assert (again[0].returns == scores[0].returns).all()
    with pytest.raises(UserError, match="member is 7; it must be from 0 to 2, as its file has them"):
        evaluate(make_config(eval={"agent_fpath": str(result.best_path), "member": 7}))


@pytest.mark.parametrize(("share", "expected"), [(0.0, {0}), (1.0, {0, 1, 2})])
def test_others_of_the_family_learn_from_what_one_played(make_config, monkeypatch, share, expected):
    learner = make_learner(make_config(learn={"cross_mixture": share}))
    draw, update, taught = learner.replay.sample, learner._update, set()

    def one_played(*args):
        sequences, slots, chances = draw(*args)
        return {**sequences, "member": np.zeros_like(sequences["member"])}, slots, chances

    def watched(batch, *rest):
        taught.update(batch.members.tolist())
        return update(batch, *rest)

    monkeypatch.setattr(learner.replay, "sample", one_played)
    monkeypatch.setattr(learner, "_update", watched)
    for step in range(1, 9):
        learner.step(step, 0.0)
    learner.close()
    assert taught == expected
