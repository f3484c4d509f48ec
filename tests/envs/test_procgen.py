"""Procgen's assigned levels: exactly the library's own levels, in all sixteen games."""

import sys

import cv2
import numpy as np
import pytest

from genieredux.envs import EnvConfig, Start, describe, make, make_solo
from genieredux.envs.actions import PROCGEN_ACTIONS
from genieredux.errors import UserError

procgen = pytest.importorskip("procgen")
GAMES = tuple(procgen.env.ENV_NAMES)


@pytest.mark.parametrize("game", GAMES)
def test_assigned_levels_are_the_librarys_levels(game):
    """A level and the one assigned after it equal the library's own game limited to that level."""
    cfg = EnvConfig("procgen", game, num_workers=1, action_names=tuple(list(PROCGEN_ACTIONS)[:9]))
    env = make(cfg, 3, seed=0)
    for i in range(3):
        env.assign(i, Start(40 + i, 0))
    frames, info = env.reset()
    assert info["level_seed"].tolist() == [40, 41, 42]
    env.assign(1, Start(77, 0))
    natives = {
        level: procgen.ProcgenGym3Env(num=1, env_name=game, start_level=level, num_levels=1, rand_seed=9)
        for level in (41, 77)
    }
    level, unlike = 41, 0
    np.testing.assert_array_equal(frames[1], natives[level].observe()[1]["rgb"][0])
    for action in np.random.default_rng(0).integers(len(env.action_names), size=250):
        frames, rewards, terminated, truncated, info = env.step(np.full(3, action))
        natives[level].act(np.array([PROCGEN_ACTIONS[env.action_names[action]]], dtype=np.int32))
        reward, obs, first = natives[level].observe()
        assert rewards[1] == reward[0]
        assert (terminated | truncated)[1] == first[0]
        if first[0]:
            if level == 77:
                break
            level = 77
            obs = natives[level].observe()[1]
        unlike += bool((frames[1] != obs["rgb"][0]).any())
        assert info["level_seed"][1] == level
    assert unlike <= (3 if game == "dodgeball" else 0)  # see envs/procgen.py
    env.close()


def test_a_forced_end_in_the_middle_gives_a_clean_episode():
    """The cap restarts a game in the middle; the episode after it equals one begun by reset."""
    cfg = EnvConfig("procgen", "coinrun", num_workers=1, max_episode_steps=30)
    actions = np.random.default_rng(1).integers(5, size=(25, 1))
    env = make(cfg, 1, seed=0)
    env.assign(0, Start(3, 0))
    env.reset()
    env.assign(0, Start(9, 0))
    for action in np.zeros(30, np.int64):
        frames, _, terminated, truncated, _ = env.step(action[None])
    assert truncated[0] or terminated[0]
    capped = [frames] + [env.step(action)[0] for action in actions]
    env.assign(0, Start(9, 0))
    fresh = [env.reset()[0]] + [env.step(action)[0] for action in actions]
    np.testing.assert_array_equal(capped, fresh)
    env.close()


def test_bad_names_and_options_are_answered_in_one_line():
    with pytest.raises(UserError, match="did you mean coinrun"):
        make(EnvConfig("procgen", "coinrn"), 1, 0)
    with pytest.raises(UserError, match="distribution_mode"):
        make(EnvConfig("procgen", "coinrun", distribution_mode="harder"), 1, 0)
    with pytest.raises(UserError, match="no_such_option"):
        make(EnvConfig("procgen", "coinrun", options={"no_such_option": 1}), 1, 0)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "procgen", None)
    with pytest.raises(UserError, match=r"pip install procgen-mirror.*3\.13"):
        make(EnvConfig("procgen", "coinrun"), 1, 0)


COINRUN = ("NOOP", "RIGHT", "LEFT", "UP", "RIGHT_UP", "LEFT_UP", "DOWN")


def _shift(before, after):
    """How far the scenery moved between two frames, in pixels (x to the right, y downwards)."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in (before, after)]
    return cv2.phaseCorrelate(*grey)[0]


def test_the_seven_actions_of_the_original_coinrun_do_what_their_names_say():
    """The camera follows the player, so the scenery moves against it: x < 0 is a run to the right, y > 0 a jump."""
    levels, run_up = 9, ["NOOP"] * 12 + ["RIGHT"] * 6 + ["NOOP"] * 6
    env = make(EnvConfig("procgen", "coinrun", action_names=COINRUN, num_workers=1), levels, seed=0)
    moved = {}
    for name in COINRUN:
        for level in range(levels):
            env.assign(level, Start(level, 0))
        frames = [env.reset()[0]]
        frames += [env.step(np.full(levels, COINRUN.index(step)))[0] for step in [*run_up, *[name] * 4]]
        shifts = [_shift(*pair) for pair in zip(frames[len(run_up)], frames[-1], strict=True)]
        moved[name] = np.median(shifts, axis=0)
    env.close()
    directions = {
        name: tuple(np.where(np.abs(shift) < 1, 0, np.sign(shift)).astype(int)) for name, shift in moved.items()
    }
    assert directions == {
        "NOOP": (0, 0),
        "RIGHT": (-1, 0),
        "LEFT": (1, 0),
        "UP": (0, 1),
        "RIGHT_UP": (-1, 1),
        "LEFT_UP": (1, 1),
        "DOWN": (0, 0),  # Procgen's player does not duck
    }


@pytest.mark.parametrize("game", ["coinrun", "climber", "jumper", "ninja"])
def test_positions_are_where_the_player_is(game):
    play = make_solo(EnvConfig("procgen", game, options={"positions": True}))
    rng = np.random.default_rng(0)
    for level in range(3):
        _, before = play.begin(Start(level, 0))
        first = before["x"]
        for step in range(150):
            action = int(rng.integers(len(play.action_names))) if step >= 6 else play.action_names.index("LEFT")
            _, _, terminated, truncated, info = play.step(action)
            if terminated or truncated:
                break
            assert {"x", "y", "level_seed"} <= info.keys()
            assert max(abs(info["x"] - before["x"]), abs(info["y"] - before["y"])) < 2
            assert 0 <= info["x"] <= 64
            if step < 6:
                assert info["x"] <= before["x"] + 1e-4 <= first + 1e-3  # it walks to the left, or into a wall
            before = info
    play.close()


def test_positions_are_only_told_where_they_are_asked_for():
    play = make_solo(EnvConfig("procgen", "coinrun"))
    assert set(play.begin(Start(0, 0))[1]) == {"level_seed"}
    play.close()
    with pytest.raises(UserError, match=r"options.positions: the game is 'maze'"):
        describe(EnvConfig("procgen", "maze", options={"positions": True}))
