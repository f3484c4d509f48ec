"""Single games: what a vector of them would show, one episode at a time."""

import numpy as np
import pytest

from genieredux.envs import EnvConfig, Start, make, make_solo, numbers

CONFIGS = {
    "fake": EnvConfig("fake", "Fake"),
    "procgen": EnvConfig("procgen", "coinrun", num_workers=1),
    "retro": EnvConfig("retro", "Airstriker-Genesis"),
    "gymnasium": EnvConfig("gymnasium", "toy_games:Ramp"),
    "ale": EnvConfig("ale", "breakout", num_workers=1),
}
STARTS = (Start(3, 5), Start(4, 6), Start(3, 5))


def alone(game, start, actions):
    frame, info = game.begin(start)
    steps = [(frame.copy(), 0.0, False, False, numbers(info))]
    for action in actions:
        frame, reward, terminated, truncated, info = game.step(int(action))
        steps.append((None if frame is None else frame.copy(), reward, terminated, truncated, numbers(info)))
        if terminated or truncated:
            break
    return steps


def in_vector(env, start, actions):
    env.assign(0, start)
    frames, info = env.reset()
    steps = [(frames[0], 0.0, False, False, info)]
    for action in actions:
        frames, rewards, terminated, truncated, info = env.step(np.array([action]))
        ended = bool(terminated[0] or truncated[0])
        shown = not ended or ("_final_obs" in info and info["_final_obs"][0])
        frame = (info["final_obs"] if ended else frames)[0] if shown else None
        truth = info["final_info"] if ended and shown else info
        steps.append((frame, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), truth))
        if ended:
            break
    return steps


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_single_game_plays_as_in_a_vector(kind):
    if kind == "ale":
        pytest.importorskip("ale_py")
    cfg = CONFIGS[kind]
    game = make_solo(cfg)
    names = (game.name, game.console, game.action_names)
    actions = np.random.default_rng(0).integers(len(game.action_names), size=(len(STARTS), 150))
    played = [alone(game, start, taken) for start, taken in zip(STARTS, actions, strict=True)]
    game.close()
    game.close()  # harmless
    env = make(cfg, 1, seed=0)
    assert names == (env.game, env.console, env.action_names)
    for start, taken, steps in zip(STARTS, actions, played, strict=True):
        expected = in_vector(env, start, taken)
        assert len(steps) == len(expected)
        for mine, its in zip(steps, expected, strict=True):
            np.testing.assert_equal(mine[0], its[0])
            assert mine[1:4] == its[1:4]
            if mine[0] is not None:
                assert mine[4] == {key: its[4][key][0] for key in mine[4]}
                assert mine[4]
    env.close()


@pytest.mark.parametrize("kind", ["fake", "procgen", "gymnasium"])
def test_nobody_caps_a_single_game(kind):
    game = make_solo(EnvConfig(CONFIGS[kind].kind, CONFIGS[kind].game, max_episode_steps=2))
    game.begin(Start(0, 0))
    assert not any(any(game.step(0)[2:4]) for _ in range(5))
    game.close()
