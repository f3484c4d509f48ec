"""Stable-Baselines3 learns in dreams, and its agents play as any policy does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genieredux.cli.main import run
from genieredux.dreams.env import DreamVectorEnv
from genieredux.dreams.outcomes import Transitions
from genieredux.dreams.session import Prompt
from genieredux.errors import UserError
from genieredux.models.world.fake import FakeWorld
from genieredux.policies import PolicySpec, Seen
from pages import ROOT

sb3 = pytest.importorskip("stable_baselines3")

from genieredux.dreams.stable_baselines import DreamVecEnv, TrainedAgent, load  # noqa: E402

SMALL = {"features_extractor_kwargs": {"features_dim": 16}}


def dreams(prompts: list[Prompt], count: int = 4, **settings: object) -> DreamVectorEnv:
    return DreamVectorEnv(FakeWorld(), prompts, count, **settings)  # type: ignore[arg-type]


def test_what_it_sees_is_what_is_dreamt(prompts: list[Prompt]) -> None:
    envs = DreamVecEnv(dreams(prompts, 2, max_steps=2, reward=lambda made: made.actions))
    plain = dreams(prompts, 2, max_steps=2)
    envs.seed(3)
    assert (envs.reset() == plain.reset(seed=3)[0]).all()
    frames, rewards, over, infos = envs.step(np.array([1, 4]))
    assert (frames == plain.step(np.array([1, 4]))[0]).all()
    assert rewards.tolist() == [1, 4]
    assert not over.any()
    frames, _, over, infos = envs.step(np.array([0, 0]))
    expected = plain.step(np.array([0, 0]))
    assert over.all()
    assert [info["TimeLimit.truncated"] for info in infos] == [True, True]
    assert (infos[1]["terminal_observation"] == expected[4]["final_obs"][1]).all()
    assert (frames == expected[0]).all()


def test_a_held_action_earns_what_its_frames_earn_until_the_end(prompts: list[Prompt]) -> None:
    ends = lambda made: made.steps == np.array([2, 9])  # noqa: E731
    envs = DreamVecEnv(dreams(prompts, 2, reward=lambda made: made.steps, ends=ends), repeat=3)
    envs.reset()
    _, rewards, over, infos = envs.step(np.array([0, 0]))
    assert rewards.tolist() == [1 + 2, 1 + 2 + 3]
    assert over.tolist() == [True, False]
    assert infos[0]["TimeLimit.truncated"] is False
    assert "terminal_observation" not in infos[1]


def test_an_agent_learns_what_pays_in_a_dream_and_plays_it(prompts: list[Prompt], tmp_path: Path) -> None:
    def reward(made: Transitions) -> np.ndarray:
        return np.where(made.actions == 3, 1.0, 0.0)

    envs = DreamVecEnv(dreams(prompts, 8, max_steps=8, reward=reward))
    agent = sb3.PPO(
        "CnnPolicy", envs, n_steps=16, batch_size=64, learning_rate=1e-3, policy_kwargs=SMALL, seed=0, device="cpu"
    )
    agent.learn(1024)
    agent.save(tmp_path / "agent.zip")
    name = "genieredux.dreams.stable_baselines:load"
    player = PolicySpec(name, 5, str(tmp_path / "agent.zip")).build()
    frames = np.stack([prompts[k % len(prompts)].frames[-1] for k in range(64)])
    actions = player.act(Seen.first(frames, np.arange(64)))
    assert (actions == 3).mean() > 0.6
    assert (player.act(Seen.first(frames, np.arange(64))) == actions).all()  # an episode's own seed decides
    held = load(5, str(tmp_path / "agent.zip"), repeat=3)
    seen = Seen.first(frames, np.arange(64))
    first = held.act(seen)
    seen.begun = np.zeros(64, bool)
    assert (held.act(seen) == first).all()
    assert (held.act(seen) == first).all()
    assert held._left.tolist() == [0] * 64


def test_agents_that_do_not_fit_are_named(prompts: list[Prompt], tmp_path: Path) -> None:
    agent = sb3.PPO("CnnPolicy", DreamVecEnv(dreams(prompts)), policy_kwargs=SMALL, device="cpu")
    agent.save(tmp_path / "agent.zip")
    (tmp_path / "junk.zip").write_bytes(b"no agent")
    assert TrainedAgent(agent, "x").name == "x"
    with pytest.raises(UserError, match="no agent at"):
        load(5, str(tmp_path / "none.zip"))
    with pytest.raises(UserError, match="knows 5 actions, and here are 7"):
        load(7, str(tmp_path / "agent.zip"))
    with pytest.raises(UserError, match="is no agent of PPO"):
        load(5, str(tmp_path / "junk.zip"))
    with pytest.raises(UserError, match="repeat is 0"):
        DreamVecEnv(dreams(prompts), repeat=0)


@pytest.mark.slow
def test_the_example_learns_in_dreams_and_is_measured_in_the_game(tmp_path: Path) -> None:
    """docs/examples/learn_in_a_dream.py from end to end, with far too little of everything."""
    pytest.importorskip("procgen")
    splits = "config.connector.splits=[{name: train, variant: held, start_level: 0, n_instances: 4}]"
    short = "config.connector.generator_config.n_steps_max=40"
    assert run(["generate", "config=quickstart/coinrun", f"root={tmp_path}", splits, short]) == 0
    script = [sys.executable, str(ROOT / "docs/examples/learn_in_a_dream.py")]
    few = {"steps": 16, "dreams": 2, "length": 6, "rollout": 8, "prompts": 3, "repeat": 2, "seed": 1}
    amounts = [word for name, value in few.items() for word in (f"--{name}", str(value))]
    agent, numbers = tmp_path / "agent.zip", tmp_path / "measured.json"
    data = ["--world", "coinrun", "--dataset", str(tmp_path / "coinrun_v0.0.0")]
    subprocess.run([*script, "train", *data, "--reward", "progress", "--out", str(agent), *amounts], check=True)
    measure = ["measure", "--agent", str(agent), "--episodes", "2", "--steps", "12", "--json", str(numbers)]
    subprocess.run([*script, *measure], check=True)
    players = json.loads(numbers.read_text())["players"]
    assert [row["player"] for row in players[:4]] == ["agent", "untrained agent", "random", "held"]
    assert all(row["low"] <= row["return"] <= row["high"] for row in players)
    assert all(0 < row["steps"] <= 12 for row in players)
