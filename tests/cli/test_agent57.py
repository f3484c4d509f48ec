"""The verb `agent57`: its configurations, and what is said of mistakes."""

import pytest

from genieredux.agent57.config import Agent57Config
from genieredux.cli.compose import compose_config, configurations
from genieredux.cli.main import run
from genieredux.errors import UserError


def composed(*words):
    return compose_config("agent57", Agent57Config, words)


@pytest.mark.parametrize("preset", ["default", "small", "paper"])
@pytest.mark.parametrize("name", configurations("agent57"))
def test_every_configuration_is_one(name, preset):
    words = [f"config={name}", f"preset={preset}"]
    if preset == "paper":  # what a configuration says goes before the preset; a family of 32 needs its own discounts
        words += ["agent.policies=32", "replay.burn_in=0", "replay.period=10", "eval.member=null"]
        words += ["replay.capacity=100000", "replay.trace=20"]
    made = composed(*words)
    assert made.folder.parent.name == "agent57"


def test_the_papers_values():
    made = composed("config=atari/ale", "preset=paper")
    assert (made.agent.policies, made.agent.beta, made.agent.gammas) == (32, 0.3, "agent57")
    assert (made.replay.trace, made.replay.period, made.replay.burn_in) == (160, 80, 80)
    assert (made.learn.batch, made.learn.learning_rate, made.learn.target_update) == (64, 1e-4, 1500)
    assert (made.actors.processes, made.actors.bandit_window) == (256, 90)


def test_small_is_what_is_built_in():
    small, built_in = composed("config=atari/ale", "preset=small"), composed("config=atari/ale")
    small.actors.processes = built_in.actors.processes
    assert small == built_in


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "agent57 takes a mode, train or eval, and got nothing"),
        (["trian"], "agent57 takes a mode, train or eval, and got 'trian'"),
        (["train", "config=quickstart/random_con"], "nearest: quickstart/random_coin"),
        (["train", "preset=papr"], "nearest: paper"),
        (["train", "agent.policy=3"], "did you mean 'agent.policies'"),
        (["train", "agent.beta=-1"], "agent.beta is -1.0; it must be from 0 to 100"),
        (["eval"], "eval.agent_fpath is null: name the agent"),
        (["eval", "eval.agent_fpath=none.pt"], "no checkpoint at none.pt"),
    ],
)
def test_mistakes_are_said_in_a_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["agent57", *words]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]
    assert not list(tmp_path.iterdir())


def test_a_whole_paper_replay_is_refused_with_the_number_that_fits(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    from genieredux.agent57 import replay

    monkeypatch.setattr(replay, "free_memory", lambda: 8 << 30)
    game = ["env.game=genieredux.agent57.tasks:RandomCoin", "env.kind=gymnasium", "env.action_names=null"]
    assert run(["agent57", "train", "config=atari/ale", "preset=paper", *game]) == 2
    assert "replay.capacity=62500 sequences of 160 steps need" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_one_line_trains_and_one_measures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["config=quickstart/deep_sea", "agent.hidden=8", "replay.min_size=16", "train.num_train_steps=2"]
    assert run(["agent57", "train", *words, "train.tensorboard=false", "eval.episodes=4"]) == 0
    said = capsys.readouterr().out
    assert "Agent: checkpoints/agent57/deep_sea/model-2.pt (update 2)" in said
    file = "checkpoints/agent57/deep_sea/model-2.pt"
    assert run(["agent57", "eval", "config=quickstart/deep_sea", f"eval.agent_fpath={file}", "eval.episodes=4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("  ")[0] for line in lines]
    assert names[:3] == ["member 0 of 4", "random", "sticky random (0.9)"]
    assert names[3:] in (["A held"], ["B held"])


def test_a_data_set_of_the_task_is_not_the_policys(tmp_path):
    with pytest.raises(UserError, match=r"there is no key 'env\.image_size'"):
        composed("env.image_size=3")
