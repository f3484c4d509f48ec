"""The promises of the vector contract, kept alike by fake, Procgen, console and Gymnasium games."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from genieredux.envs import EnvConfig, Start, describe, make

CAP = 12
CONFIGS = {
    "fake": EnvConfig("fake", "Fake", max_episode_steps=CAP),
    "fake-in-workers": EnvConfig("fake", "Fake", max_episode_steps=CAP, num_workers=2),
    "procgen": EnvConfig("procgen", "coinrun", max_episode_steps=CAP, num_workers=1),
    "procgen-in-workers": EnvConfig("procgen", "coinrun", max_episode_steps=CAP, num_workers=2),
    "retro": EnvConfig("retro", "Airstriker-Genesis", max_episode_steps=CAP),
    "gymnasium": EnvConfig("gymnasium", "toy_games:Ramp", max_episode_steps=CAP),
}
NUM_ENVS = 2


@pytest.fixture(params=CONFIGS, scope="module")
def env(request):
    env = make(CONFIGS[request.param], NUM_ENVS, seed=0)
    yield env
    env.close()


def play(env, starts, actions):
    """Frames, rewards, ends and info of one run from assigned starts."""
    for i, start in enumerate(starts):
        env.assign(i, start)
    frames, info = env.reset()
    out = {"frames": [frames], "rewards": [], "terminated": [], "truncated": [], "info": [info]}
    for action in actions:
        frames, rewards, terminated, truncated, info = env.step(action)
        values = (frames, rewards, terminated, truncated, info)
        for key, value in zip(("frames", "rewards", "terminated", "truncated", "info"), values, strict=True):
            out[key].append(value)
    return out


def random_actions(env, steps, seed=0):
    return np.random.default_rng(seed).integers(env.single_action_space.n, size=(steps, env.num_envs))


def test_spaces_and_names(env):
    assert env.single_observation_space == Box(0, 255, (64, 64, 3), np.uint8)
    assert env.single_action_space == Discrete(len(env.action_names))
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert env.game
    assert env.console
    facts = describe(env.cfg)
    assert (facts.game, facts.console, facts.action_names) == (env.game, env.console, env.action_names)


def test_shapes_and_dtypes_of_a_step(env):
    frames, info = env.reset(seed=3)
    for action in random_actions(env, 3):
        assert env.observation_space.contains(frames)
        frames, rewards, terminated, truncated, info = env.step(action)
        assert rewards.shape == terminated.shape == truncated.shape == (NUM_ENVS,)
        assert rewards.dtype == np.float64
        assert terminated.dtype == truncated.dtype == info["broken"].dtype == bool
        assert not info["broken"].any()
    truth = {k: v for k, v in info.items() if k not in ("broken", "final_obs", "final_info") and k[0] != "_"}
    assert truth, "every game here declares some ground truth"
    assert all(values.shape == (NUM_ENVS,) and values.dtype.kind in "biuf" for values in truth.values())


def test_an_episode_depends_on_its_start_and_actions_alone(env):
    starts = [Start(7, 11), Start(8, 12)]
    actions = random_actions(env, CAP - 2)
    first = play(env, starts, actions)
    play(env, [Start(90, 91), Start(92, 93)], random_actions(env, 5, seed=1))  # something in between
    again = play(env, starts[::-1], actions[:, ::-1])  # and in the other environment
    for before, after in zip(first["frames"], again["frames"], strict=True):
        np.testing.assert_array_equal(before, after[::-1])
    np.testing.assert_array_equal(first["rewards"], np.array(again["rewards"])[:, ::-1])


def test_a_returned_frame_is_the_callers_to_keep(env):
    frames, _ = env.reset()
    kept = frames.copy()
    for action in random_actions(env, 4):
        env.step(action)
    np.testing.assert_array_equal(frames, kept)


def test_the_cap_truncates_and_the_assigned_episode_begins(env):
    first_of_next = play(env, [Start(5, 5), Start(6, 6)], np.zeros((0, NUM_ENVS), int))["frames"][0]
    for i, start in enumerate((Start(1, 1), Start(2, 2))):
        env.assign(i, start)
    env.reset()
    for i, start in enumerate((Start(5, 5), Start(6, 6))):
        env.assign(i, start)
    steps, terminated, truncated = 0, np.zeros(2, bool), np.zeros(2, bool)
    while not (terminated | truncated).any():
        frames, _, terminated, truncated, info = env.step(np.ones(NUM_ENVS, dtype=np.int64))
        steps += 1
    assert truncated.all()
    assert not terminated.any()
    assert env.starts == (Start(5, 5), Start(6, 6))
    np.testing.assert_array_equal(frames, first_of_next)
    shown = "_final_obs" in info and info["_final_obs"].all()
    assert shown
    assert steps == CAP
    assert info["final_obs"].shape == frames.shape
    assert info["_final_info"].all()
    assert (info["final_obs"] != frames).any()


def test_reset_with_a_seed_is_reproducible_and_levels_stay_in_range():
    cfg = EnvConfig("fake", "Fake", start_level=50, num_levels=4)
    env = make(cfg, 4, seed=1)
    first, _ = env.reset(seed=5)
    starts = env.starts
    assert all(50 <= start.instance < 54 for start in starts)
    second, _ = env.reset(seed=5)
    assert env.starts == starts
    np.testing.assert_array_equal(first, second)
    env.close()


def test_a_parked_environment_repeats_its_last_frame(env):
    frames, _ = env.reset(seed=0)
    env.park(0)
    for action in random_actions(env, 3):
        after, _, terminated, truncated, _ = env.step(action)
    np.testing.assert_array_equal(after[0], frames[0])
    assert not (terminated | truncated)[0]
    env.reset(seed=0)


def test_image_size_is_respected():
    for kind, game in (("fake", "Fake"), ("procgen", "coinrun"), ("gymnasium", "toy_games:Pictures")):
        env = make(EnvConfig(kind, game, image_size=32), 1, seed=0)
        frames, _ = env.reset()
        assert frames.shape == (1, 32, 32, 3)
        assert env.step(np.zeros(1, np.int64))[0].shape == (1, 32, 32, 3)
        env.close()
