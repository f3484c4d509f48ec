"""Steps of many environments at once: what a learner gets is what was played, aligned, whatever dies beside it."""

from itertools import islice

import numpy as np
import pytest

from genieredux.collect import SilentReporter, SplitConfig, collect
from genieredux.collect.player import Player, endless, rollouts
from genieredux.envs import EnvConfig, make, make_solo
from genieredux.episodes import Dataset
from genieredux.policies import NO_ACTION, PolicySpec

CAP = 9


def policy(num_actions=5):
    return PolicySpec("random", num_actions, wrappers=(("sticky", 0.3),)).build()


def episodes_in(steps):
    """(seed, frames, actions, rewards, end) of the episodes in a list of steps, in the order in which they end."""
    open_ones, done = {}, []
    for step in steps:
        for i in np.flatnonzero(step.playing):
            if step.begun[i]:
                open_ones[i] = [step.frames[i]], [], []
            frames, actions, rewards = open_ones[i]
            if step.lost[i]:
                continue
            actions.append(int(step.actions[i]))
            rewards.append(float(step.rewards[i]))
            if step.shown[i]:
                frames.append(step.following[i])
            if step.terminated[i] or step.truncated[i]:
                done.append((int(step.seeds[i]), np.array(frames), actions, rewards, bool(step.terminated[i])))
    return done


@pytest.mark.parametrize(("kind", "game"), [("fake", "Fake"), ("procgen", "coinrun")])
def test_steps_are_what_each_environment_plays_alone(kind, game):
    cfg = EnvConfig(kind, game, max_episode_steps=CAP, num_levels=4, num_workers=1)
    steps = list(islice(rollouts(cfg, policy(), 3, seed=5), 4 * CAP))
    played = episodes_in(steps)
    assert len(played) >= 9
    starts = {one.start.seed: one.start for one in islice(endless(cfg, 5), 40)}
    solo = make_solo(cfg)
    for seed, frames, actions, rewards, terminated in played:
        frame, _ = solo.begin(starts[seed])
        np.testing.assert_array_equal(frame, frames[0])
        for k, action in enumerate(actions):
            frame, reward, ended, _, _ = solo.step(action)
            assert rewards[k] == np.float32(reward)
            if frame is not None:
                np.testing.assert_array_equal(frame, frames[k + 1])
        assert ended == terminated
    solo.close()


def test_steps_depend_on_the_seed_alone():
    cfg = EnvConfig("fake", "Fake", max_episode_steps=CAP, num_workers=1)
    runs = [list(islice(rollouts(cfg, policy(), 2, seed), 12)) for seed in (1, 1, 2)]
    for one, other in zip(runs[0], runs[1], strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.actions, other.actions)
        np.testing.assert_array_equal(one.info["x"], other.info["x"])
    assert any((one.frames != other.frames).any() for one, other in zip(runs[0], runs[2], strict=True))


class Listener:
    """Plays at random, and keeps what it was told."""

    name, plays_alone = "listener", False

    def __init__(self):
        self.inside, self.told = policy(), []

    def act(self, seen):
        self.told.append(seen)
        return self.inside.act(seen)


def test_a_policy_is_told_what_its_actions_brought():
    cfg = EnvConfig("fake", "Fake", max_episode_steps=CAP, num_workers=1)
    listener = Listener()
    steps = list(islice(rollouts(cfg, listener, 2, seed=3), 3 * CAP))
    for k, step in enumerate(steps):
        np.testing.assert_array_equal(listener.told[k].frames, step.frames)
        if k + 1 == len(steps):
            break
        seen = listener.told[k + 1]
        ended = step.terminated | step.truncated
        np.testing.assert_array_equal(seen.begun, ended)
        np.testing.assert_array_equal(seen.rewards, step.rewards)
        np.testing.assert_array_equal(seen.terminated, step.terminated)
        np.testing.assert_array_equal(seen.actions, np.where(ended, NO_ACTION, step.actions))
        np.testing.assert_array_equal(seen.seeds, steps[k + 1].seeds)
    assert any(step.truncated.any() for step in steps)


def test_an_environment_that_dies_costs_its_episode(tmp_path):
    (tmp_path / "left").write_text("1")
    fault = {"what": "kill", "step": 4, "file": str(tmp_path / "left")}
    plain = EnvConfig("fake", "Fake", max_episode_steps=CAP, num_workers=2)
    cursed = EnvConfig("fake", "Fake", max_episode_steps=CAP, num_workers=2, options={"faults": [fault]})
    plans = [list(islice(endless(cfg, 8), 6)) for cfg in (plain, cursed)]
    assert plans[0] == plans[1]
    played = []
    for cfg in (plain, cursed):
        env = make(cfg, 2, seed=0)
        player = Player(env, policy())
        steps = list(player.steps(iter(plans[0])))
        env.close()
        played.append({seed: rest for seed, *rest in episodes_in(steps)})
        assert sum(step.lost.sum() for step in steps) == player.deaths == (cfg is cursed)
    assert played[0].keys() == played[1].keys()
    for seed, (frames, actions, rewards, terminated) in played[0].items():
        np.testing.assert_array_equal(frames, played[1][seed][0])
        assert (actions, rewards, terminated) == tuple(played[1][seed][1:])


def test_recorded_actions_are_played_again(small, inline):
    """The play of one data set, in lock step, on the same levels and pictures of twice the size."""
    quiet = SilentReporter()
    first = Dataset.open(collect(small("first", splits=(SplitConfig("train"),)), quiet, inline).path)
    options = {"dataset": str(first.path), "episode": first.ids[0]}
    agent = type(small().connector.agent)(options=options)
    cfg = small("again", variant="recorded", image_size=128, agent=agent, splits=(SplitConfig("train"),), sessions=1)
    again = Dataset.open(collect(cfg, quiet).path)
    wanted = first.actions(0).tolist()
    for i in range(len(again)):
        actions = again.actions(i).tolist()
        assert actions == (wanted + wanted[-1:] * len(actions))[: len(actions)]
    assert again.spec.image_size == 128
    assert set(again.index["policy"].to_pylist()) == {"recorded"}
