"""A run of the explorer under the driver: what it leaves, and that stopping it changes nothing."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explore.explorers import COUNTER, config_of, learner_of
from explore.toys import NAMES, KnownWorld
from genieredux.collect.player import GameDied, rollouts
from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.explore.config import PlayConfig
from genieredux.explore.learner import deaths, lost_steps
from genieredux.explore.rewards import RewardConfig
from genieredux.explore.rewards.episodic import by_neighbours, by_visits, episodic_factor
from genieredux.explore.rollout import Rollout
from genieredux.explore.runs import ExploreSaves, folder_of
from genieredux.models.checkpoint import load_model
from genieredux.models.tensor_file import read_tensors
from genieredux.policies.scripted import RandomPolicy
from genieredux.training import Interrupted, drive
from genieredux.training.config import LogConfig, LoopConfig
from toy_runs import assert_same, without_measurements

LOOP = LoopConfig(num_train_steps=6, save_model_every=2, validate_every=3, log_every=1, keep_last=2)
SMALL = {"updates": 3, "width": 4}


def explore(path: Path, reward: RewardConfig, loop: LoopConfig = LOOP, stop_at: int = 0):
    learner = learner_of(COUNTER, KnownWorld(), config_of(reward), look=True)
    step = learner.step

    def stopping(k, elapsed):
        if k == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(k, elapsed)

    learner.step = stopping
    run = folder_of(path, ["genieredux", "auto_explore", "train", "common.resume_id=7"])
    return drive(learner, loop, run, log=LogConfig(tensorboard=False), saves=ExploreSaves(path, loop.keep_last))


@pytest.mark.parametrize("kind", ["entropy", "disagreement", "progress", "rnd", "vae"])
def test_stopped_and_gone_on_with_equals_uninterrupted(tmp_path, kind):
    reward = RewardConfig(kind, episodic="cells", **SMALL)
    whole = explore(tmp_path / "001_whole", reward)
    with pytest.raises(Interrupted) as stopped:
        explore(tmp_path / "002_parts", reward, stop_at=4)
    assert stopped.value.command.endswith("auto_explore train common.resume_id=2")
    parts = explore(tmp_path / "002_parts", reward)
    assert without_measurements(whole.history) == without_measurements(parts.history)
    for name in ("model-6.pt", "state-6.pt", "model_best_reward.pt"):
        one, other = (read_tensors(tmp_path / run / "checkpoints" / name) for run in ("001_whole", "002_parts"))
        assert_same(one, other, name)


def test_a_run_leaves_what_the_published_commands_look_for(tmp_path):
    result = explore(tmp_path / "001_auto_explore", RewardConfig("next_entropy"))
    assert result.best_path == tmp_path / "001_auto_explore/checkpoints/model_best_reward.pt"
    data = load_model(result.best_path, expect="auto_explore")
    assert data.config["action_names"] == list(NAMES)
    assert sorted(path.name for path in (tmp_path / "001_auto_explore/outputs/gifs").iterdir()) == [
        "episode-3.gif",
        "episode-6.gif",
    ]
    checks = [record for record in result.history if record["event"] == "validate"]
    assert [-record["loss"] for record in checks] == [record["return"] for record in checks]
    assert result.history[0].keys() >= {"reward", "policy_loss", "value_loss", "policy_entropy", "cells", "furthest_x"}


def test_another_reward_or_a_foreign_state_is_refused_in_one_line(tmp_path):
    explore(tmp_path / "001_run", RewardConfig("rnd", **SMALL), replace(LOOP, num_train_steps=2))
    with pytest.raises(UserError, match=r"trained with reward.kind=rnd, now it is entropy"):
        explore(tmp_path / "001_run", RewardConfig("entropy"))
    with pytest.raises(UserError, match="does not fit"):
        explore(tmp_path / "001_run", RewardConfig("rnd", updates=3, width=8))


def test_the_chances_are_those_of_what_was_drawn_random_actions_included():
    learner = learner_of(COUNTER, KnownWorld(), config_of(RewardConfig("entropy"), steps=400, envs=4))
    with torch.no_grad():
        learner.net.actor.bias.copy_(torch.tensor([0.0, 2.0]))
        learner.net.actor.weight.zero_()
    rollout, acting = learner._play(1)
    learner.close()
    likely = 0.95 * torch.tensor([0.0, 2.0]).softmax(0) + 0.05 / 2
    chances = torch.stack([act.chance for act in acting.acts[:400]]).exp()
    np.testing.assert_allclose(chances, likely[torch.from_numpy(rollout.actions)], rtol=1e-5)
    assert rollout.actions.mean() == pytest.approx(float(likely[1]), abs=0.03)
    coins = rollout.actions[:, 0] != rollout.actions[:, 1]
    assert 0.05 < coins.mean() < 0.5  # each environment has coins of its own


def test_epsilon_falls_and_then_stays():
    play = PlayConfig(epsilon=0.1, epsilon_final=0.01, epsilon_epochs=10)
    assert play.chance(1) == 0.1
    assert play.chance(6) == pytest.approx(0.055)
    assert play.chance(11) == play.chance(500) == pytest.approx(0.01)


def test_what_follows_is_valued_at_cuts_and_worth_nothing_after_the_end():
    learner = learner_of(COUNTER, KnownWorld(), config_of(RewardConfig("entropy"), steps=25))
    rollout, acting = learner._play(1)
    learner.close()
    values = torch.stack([act.value for act in acting.acts[:25]])
    with torch.no_grad():
        following = learner._following(rollout, acting, values)
    assert (following[torch.from_numpy(rollout.terminated)] == 0).all()
    inside = torch.from_numpy(~rollout.ended[:-1])
    assert torch.equal(following[:-1][inside], values[1:][inside])
    last = acting.acts[-1]
    assert len(acting.acts) == 25
    assert (following[-1] != values[-1]).all()  # of frames that no step of the rollout shows
    assert last.after[0].shape == (3, 16)


def test_death_and_a_lost_life_are_masked_for_as_long_as_asked():
    learner = learner_of(COUNTER, KnownWorld(), config_of(RewardConfig("entropy"), steps=25))
    rollout, _ = learner._play(1)
    learner.close()
    assert not deaths(rollout, 0).any()
    masked = deaths(rollout, 2)
    ends = np.flatnonzero(rollout.terminated[:, 0])
    assert ends.tolist() == [10, 21]
    assert np.flatnonzero(masked[:, 0]).tolist() == [3, 4, 9, 10, 14, 15, 20, 21]  # a life goes at the fifth step


def test_an_environment_that_dies_costs_its_episode():
    fault = {"game": "Fake", "what": "kill", "step": 4, "level": 1}
    cfg = EnvConfig("fake", "Fake", image_size=16, num_levels=2, max_episode_steps=8, num_workers=2)
    cfg = replace(cfg, options={"faults": [fault]})
    taken = []
    steps = rollouts(cfg, RandomPolicy(5), 2, seed=4)
    with pytest.raises(GameDied):
        taken.extend(steps)
    rollout = Rollout.of(taken)
    gone = lost_steps(rollout)
    assert rollout.lost.any()
    for t, n in np.argwhere(rollout.lost):
        assert gone[t, n]
        assert rollout.following(t, n) is None
    counted = [piece for piece in rollout.pieces() if not gone[piece.last, piece.env]]
    assert all(not rollout.lost[piece.first : piece.last + 1, piece.env].any() for piece in counted)


def test_the_episodic_factors_fall_where_an_episode_was_before():
    cells = np.zeros((7, 8, 11), np.uint8)
    cells[3:5] = 3
    np.testing.assert_allclose(by_visits(cells), 1 / np.sqrt([2, 3, 1, 2, 4, 5]), rtol=1e-6)
    walk = np.repeat(np.arange(30)[:, None], 4, 1).astype(np.uint8)
    there_and_back = np.concatenate([walk, walk[::-1]])
    factor = by_neighbours(there_and_back)
    assert factor[:29].mean() > 3 * factor[30:].mean()
    assert factor.max() <= 1
    learner = learner_of(COUNTER, KnownWorld(), config_of(RewardConfig("entropy"), steps=25))
    rollout, _ = learner._play(1)
    learner.close()
    assert (episodic_factor(rollout, "none") == 1).all()
    for kind in ("cells", "nearest"):
        found = episodic_factor(rollout, kind)
        assert found.shape == rollout.shape
        assert 0 <= found.min() < 1
