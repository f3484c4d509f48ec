"""Any Gymnasium environment: where its frames and names come from, and what is refused."""

import sys

import numpy as np
import pytest

from genieredux.envs import EnvConfig, Start, describe, make, numbers
from genieredux.errors import UserError


def test_rendered_frames_are_padded_and_seeds_decide_the_episode():
    env = make(EnvConfig("gymnasium", "toy_games:Ramp"), 1, seed=0)
    assert env.action_names == ("ACTION_0", "ACTION_1", "ACTION_2")
    values = set()
    for seed in range(12):
        env.assign(0, Start(0, seed))
        frames, info = env.reset()
        assert (frames[0, :12] == 0).all()  # 30x50 leaves a fifth black above
        assert set(info) == {"value"}  # what is no number is left out
        values.add(int(info["value"][0]))
    assert len(values) > 2
    env.close()


def test_a_terminal_frame_is_shown_before_the_next_episode():
    env = make(EnvConfig("gymnasium", "toy_games:Ramp"), 1, seed=0)
    env.reset()
    while True:
        _, _, terminated, _, info = env.step(np.array([2]))
        if terminated[0]:
            break
    assert info["_final_obs"].all()
    assert info["final_info"]["value"][0] >= 20
    assert info["value"][0] < 5
    assert info["final_obs"].max() == 10 * info["final_info"]["value"][0]
    env.close()


def test_picture_observations_need_no_rendering_and_names_can_be_chosen():
    cfg = EnvConfig("gymnasium", "toy_games:Pictures", action_names=("JUMP", "STAY"), frame_skip=2)
    env = make(cfg, 1, seed=0)
    _, info = env.reset()
    _, rewards, _, _, after = env.step(np.array([0]))
    assert after["value"][0] == info["value"][0] + 4  # JUMP is the game's action 2, taken twice
    assert rewards[0] == 4.0
    env.close()


def test_what_a_game_does_not_declare_has_defaults():
    env = make(EnvConfig("gymnasium", "toy_games:Shifted"), 1, seed=0)
    assert (env.game, env.console) == ("toy_games:Shifted", "Gymnasium")
    assert env.action_names == ("ACTION_0", "ACTION_1", "ACTION_2")
    _, info = env.reset()
    assert env.step(np.array([2]))[4]["value"][0] == info["value"][0] + 2  # the game's own action 4
    env.close()


def test_observations_too_small_to_be_pictures_are_not_taken_for_them():
    env = make(EnvConfig("gymnasium", "toy_games:Cells"), 1, seed=0)
    frames, _ = env.reset()
    assert (frames[0, :12] == 0).all()  # padded: 30x50 was rendered
    env.close()


@pytest.mark.parametrize(
    ("game", "message"), [("Flat", r"frame must be RGB.*uint8 \(50,\)"), ("Undrawable", "pip install pygame")]
)
def test_a_game_that_shows_no_frame_is_refused_before_anything_is_played(game, message):
    with pytest.raises(UserError, match=message):
        describe(EnvConfig("gymnasium", f"toy_games:{game}"))


def test_a_game_in_the_folder_where_the_command_runs_is_found(tmp_path, monkeypatch):
    source = "from toy_games import Pictures\n\n\nclass Mine(Pictures):\n    game = 'Mine'\n"
    (tmp_path / "a_game_of_mine.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [place for place in sys.path if place not in ("", str(tmp_path))])
    assert describe(EnvConfig("gymnasium", "a_game_of_mine:Mine")).game == "Mine"


@pytest.mark.parametrize(
    ("game", "message"),
    [
        ("NoSuchGame-v0", "cannot be made"),
        ("no_such_module:Game", "no_such_module cannot be imported"),
        ("toy_games:Continuous", "only discrete actions.*ActionWrapper"),
        ("toy_games:no_game", "is no gymnasium.Env but str"),
        ("toy_games:Missing", "there is no 'Missing' in .*toy_games.py"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(game, message):
    with pytest.raises(UserError, match=message):
        make(EnvConfig("gymnasium", game), 1, seed=0)
    with pytest.raises(UserError, match="nearest: 'JUMP'"):
        make(EnvConfig("gymnasium", "toy_games:Pictures", action_names=("JUMPS",)), 1, seed=0)


def test_whole_numbers_of_any_size_are_numbers():
    info = {"level": 3, "score": 10**30, "debt": -(10**400), "won": np.True_, "name": "x", "place": np.zeros(2)}
    assert numbers(info) == {"level": 3, "score": 1e30, "debt": -np.inf, "won": True}
    assert isinstance(numbers(info)["level"], int)
