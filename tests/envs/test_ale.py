"""Atari games through ale-py's vector: the contract of every vector, the pictures of a single emulator, the names."""

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="needs the extra [atari]")

import ale_py

from genieredux.envs import EnvConfig, Start, ale, describe, make, make_solo, transform
from genieredux.envs.actions import ATARI_ACTIONS, CANONICAL, atari_ids
from genieredux.errors import UserError

CAP = 12


def game(name="breakout", num_envs=2, **values):
    return make(EnvConfig("ale", name, **values), num_envs, seed=0)


def play(env, starts, actions):
    """Frames (T+1, N), rewards, and the flags of every step, from assigned starts."""
    for i, start in enumerate(starts):
        env.assign(i, start)
    frames, _ = env.reset()
    out = [(frames, np.zeros(env.num_envs), None, None, {})]
    out += [env.step(np.asarray(action)) for action in actions]
    return out


def actions(steps, num_envs=2, seed=0, n=5):
    return np.random.default_rng(seed).integers(n, size=(steps, num_envs))


def test_frames_are_those_of_a_single_emulator_held_for_four_frames():
    """Native pictures, the last frame of each action, no blending, no random beginning, then our transform."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    single = ale_py.ALEInterface()
    single.setFloat("repeat_action_probability", 0.0)
    single.loadROM(ale_py.roms.get_rom_path("montezuma_revenge"))
    single.reset_game()
    env = game("montezuma_revenge", 1)
    steps = actions(60, 1)
    frames = [frame[0] for frame, *_ in play(env, [Start(0, 5)], steps)]
    env.close()
    np.testing.assert_array_equal(frames[0], transform(single.getScreenRGB(), 64))
    numbers = [ale_py.Action.RIGHT, ale_py.Action.LEFT, ale_py.Action.UP, ale_py.Action.DOWN, ale_py.Action.FIRE]
    for frame, action in zip(frames[1:], steps[:, 0], strict=True):
        for _ in range(4):
            single.act(numbers[action])
        np.testing.assert_array_equal(frame, transform(single.getScreenRGB(), 64))


def test_an_episode_depends_on_its_seed_and_actions_alone():
    env = game("assault", options={"noop_max": 30})  # one that remembers the episode before, but for a new ROM
    starts, steps = [Start(0, 7), Start(0, 2**61 + 3)], actions(40)
    first = play(env, starts, steps)
    play(env, [Start(0, 90), Start(0, 91)], actions(9, seed=1))
    again = play(env, starts[::-1], steps[:, ::-1])
    for before, after in zip(first, again, strict=True):
        np.testing.assert_array_equal(before[0], after[0][::-1])
        np.testing.assert_array_equal(before[1], after[1][::-1])
    other = play(env, [Start(0, 8), Start(0, 9)], steps)
    assert any((a[0] != b[0]).any() for a, b in zip(first, other, strict=True)), "seeds draw the no-ops"
    env.close()


@pytest.mark.parametrize("name", ["assault", "breakout"])
def test_a_game_by_itself_plays_the_very_episodes_of_the_vector(name):
    cfg = EnvConfig("ale", name, num_workers=1)
    solo, vector, ends = make_solo(cfg), make(cfg, 1, seed=0), 0
    assert (solo.name, solo.console, solo.action_names) == (vector.game, vector.console, vector.action_names)
    for seed in (3, 99):
        start = Start(0, seed)
        vector.assign(0, start)
        frames, info = vector.reset()
        frame, truth = solo.begin(start)
        for (action,) in actions(200, 1, seed):
            np.testing.assert_array_equal(frame, frames[0])
            assert truth == {"lives": info["lives"][0]}
            frames, rewards, terminated, _, info = vector.step(np.array([action]))
            frame, reward, over, _, truth = solo.step(int(action))
            assert (reward, over) == (rewards[0], terminated[0])
            if over:
                ends += 1
                np.testing.assert_array_equal(frame, info["final_obs"][0])
                break
    assert ends or name != "breakout"
    solo.close()
    vector.close()


def test_episodes_end_in_the_same_step_with_their_last_frame_and_the_assigned_next():
    env = game("breakout")
    first_frame = play(env, [Start(0, 1), Start(0, 2)], [])[0][0]
    ends = 0
    for frames, _, terminated, truncated, info in play(env, [Start(0, 1), Start(0, 2)], actions(500))[1:]:
        assert not truncated.any()
        if terminated.any():
            ends += terminated.sum()
            np.testing.assert_array_equal(frames[terminated], first_frame[terminated])
            np.testing.assert_array_equal(info["_final_obs"], terminated)
            assert (info["final_obs"][terminated] != frames[terminated]).any()
            assert (info["final_info"]["lives"][terminated] == 0).all()
            assert (info["lives"][terminated] == 5).all()
    assert ends >= 2
    env.close()


def test_the_cap_truncates_one_environment_and_leaves_the_other_alone():
    env = game("breakout", max_episode_steps=CAP)
    env.reset()
    env.park(1)
    kept = None
    for k, action in enumerate(actions(CAP), start=1):
        frames, _, terminated, truncated, info = env.step(action)
        kept = frames[1] if kept is None else kept
        np.testing.assert_array_equal(frames[1], kept)
        assert not terminated.any()
        assert truncated.tolist() == [k == CAP, False]
    assert info["_final_obs"].tolist() == [True, False]
    env.close()


def test_every_rom_but_those_for_two_players_and_any_spelling():
    assert len(ale.games()) == 104
    assert not set(ale.games()) & set(ale.TWO_PLAYERS_ONLY)
    for spelling in ("montezuma_revenge", "MontezumaRevenge", "MontezumaRevenge-Atari2600-v0"):
        facts = describe(EnvConfig("ale", spelling))
        assert (facts.game, facts.console, facts.action_names) == ("montezuma_revenge", "Atari2600", CANONICAL)


def test_the_eighteen_actions_are_the_librarys_own_numbers():
    own = {action.name: action.value for action in ale_py.Action.__members__.values()}
    for number, name in enumerate(ATARI_ACTIONS):
        assert own[name.replace("_", "")] == number
    names = ("ACTION_JUMP", "RIGHT+ACTION_JUMP", "UP_LEFT_FIRE")
    assert atari_ids(names, "pong").tolist() == [own["FIRE"], own["RIGHTFIRE"], own["UPLEFTFIRE"]]
    assert describe(EnvConfig("ale", "pong", action_names=ATARI_ACTIONS)).action_names == ATARI_ACTIONS


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"game": "joust"}, "two players only"),
        ({"game": "MazeCraze"}, "two players only"),
        ({"game": "brakeout"}, "nearest: 'breakout'"),
        ({"options": {"max_pool": True}}, "nearest: 'maxpool'"),
        ({"options": {"noop_max": "many"}}, "must be like its default, 0"),
        ({"action_names": ("RIGHT", "LEFT+RIGHT")}, "has no action 'LEFT"),
        ({"action_names": ("FIRE", "ACTION_JUMP")}, "distinct"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(values, message):
    cfg = EnvConfig(**{"kind": "ale", "game": "breakout", **values})
    with pytest.raises(UserError, match=message):
        describe(cfg)
    with pytest.raises(UserError, match=message):
        make(cfg, 1, seed=0)
