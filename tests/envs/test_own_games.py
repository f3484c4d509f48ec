"""Games as people write them: what works, and what is answered in one line with its cause, file and line."""

import os
import signal
import types

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from genieredux.envs import EnvConfig, Start, describe, make_solo
from genieredux.envs.pictures import as_rgb
from genieredux.errors import UserError

PICTURE = np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3)


class Plain:
    """No gymnasium.Env; nothing but what is needed."""

    action_space = Discrete(2)
    obs = PICTURE

    def __init__(self):
        self.steps = 0

    def reset(self):
        self.steps = 0
        return self.obs

    def step(self, action):
        self.steps += 1
        return self.obs, 1, self.steps == 3, {"TimeLimit.truncated": True, "late": self.steps}


class OldWithSeed(Plain):
    """Of the old Gym: seeded by a method, drawn in a mode, no picture in its observations."""

    obs = np.zeros(4, np.float32)

    def seed(self, seed):
        self.seeded = seed

    def render(self, mode="human"):
        return np.full_like(PICTURE, self.seeded % 251) if mode == "rgb_array" else None


class NoOptions(gymnasium.Env):
    """Of now, but its reset takes no options; its observations are a mapping; it does not say how it renders."""

    action_space = Discrete(2)
    observation_space = gymnasium.spaces.Dict({"where": Box(0, 1, (2,)), "image": Box(0, 255, (20, 24, 3), np.uint8)})

    def reset(self, seed=None):
        super().reset(seed=seed)
        return {"where": np.zeros(2), "image": np.full_like(PICTURE, self.np_random.integers(256))}, {"x": 1}

    def step(self, action):
        return {"where": np.zeros(2), "image": PICTURE}, np.array([0.5]), np.bool_(False), False, {"x": 1, "y": 2}


class Counted(Plain):
    """Its actions are a number; its picture grows."""

    action_space = 3

    def step(self, action):
        return np.zeros((20 + action, 40, 3), np.uint8), 0.0, False, False, {}


@pytest.fixture
def play(monkeypatch):
    """Opens a class of this module, or one made of another with some attributes replaced."""

    def opened(kind, **instead):
        module = types.ModuleType("own_games")
        module.Own = type("Own", (kind,), instead)
        monkeypatch.setitem(__import__("sys").modules, "own_games", module)
        return EnvConfig("gymnasium", "own_games:Own", image_size=24)

    return opened


def test_the_old_api_is_played(play, caplog):
    game = make_solo(play(Plain))
    assert "takes no seed" in caplog.text
    frame, info = game.begin(Start(0, 1))
    assert frame.shape == (24, 24, 3)
    assert (frame[2:22] == PICTURE).all()
    assert info == {}
    steps = [game.step(1) for _ in range(3)]
    assert [step[1:4] for step in steps] == [(1.0, False, False), (1.0, False, False), (1.0, False, True)]
    assert steps[0][4]["late"] == 1
    assert describe(play(Plain)).action_names == ("ACTION_0", "ACTION_1")


def test_old_seeds_and_modes_are_understood(play):
    game = make_solo(play(OldWithSeed))
    assert game.begin(Start(0, 7))[0].max() == 7
    assert game.begin(Start(0, 9))[0].max() == 9


def test_a_picture_in_a_mapping_is_seen_and_seeds_reach_a_reset_without_options(play):
    game = make_solo(play(NoOptions))
    first, again, other = (game.begin(Start(0, seed))[0].copy() for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
    _, reward, terminated, _, info = game.step(0)
    assert (reward, terminated, info) == (0.5, False, {"x": 1, "y": 2})


def test_pictures_may_change_their_size_and_actions_be_a_number(play):
    game = make_solo(play(Counted))
    game.begin(Start(0, 0))
    assert {game.step(action)[0].shape for action in range(3)} == {(24, 24, 3)}
    assert len(game.action_names) == 3


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (PICTURE[..., 0], np.repeat(PICTURE[..., :1], 3, axis=2)),
        (PICTURE[..., :1], np.repeat(PICTURE[..., :1], 3, axis=2)),
        (np.concatenate([PICTURE, PICTURE[..., :1]], axis=2), PICTURE),
        (np.moveaxis(PICTURE, 2, 0), PICTURE),
        (PICTURE.astype(np.int64), PICTURE),
        (PICTURE.astype(np.float64), PICTURE),
        (PICTURE / np.float32(255), PICTURE),
        (PICTURE > 128, np.where(PICTURE > 128, 255, 0)),
    ],
)
def test_forms_of_pictures_are_taken_as_they_are_meant(picture, expected):
    rgb = as_rgb(picture, "it")
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, expected)


def fails(*_, **__):
    raise ValueError("not like\nthis")


def leaves(*_, **__):
    raise SystemExit(3)


def interrupts(*_, **__):
    raise KeyboardInterrupt


def ends(*_, **__):
    os._exit(0)


@pytest.mark.parametrize(
    ("instead", "message"),
    [
        ({"__init__": fails}, r"cannot be made: ValueError: not like this \(.*test_own_games.py:\d+\)"),
        ({"reset": fails}, r"its reset failed: ValueError: not like this \(.*test_own_games.py:\d+\)"),
        ({"step": fails}, r"its step failed: ValueError: not like this \(.*test_own_games.py:\d+\)"),
        ({"step": leaves}, r"its step failed: SystemExit: 3 \(.*test_own_games.py:\d+\)"),
        ({"step": interrupts}, r"its step failed: KeyboardInterrupt \(.*test_own_games.py:\d+\)"),
        ({"reset": ends}, r"its reset failed: SystemExit: os._exit\(0\) \(.*test_own_games.py:\d+\)"),
        ({"obs": np.zeros(4), "render": fails}, r"its render failed: ValueError.*test_own_games.py:\d+\)"),
        ({"obs": np.zeros(4)}, r"neither its observations nor .*its observations are float64 \(4,\)"),
        ({"obs": {"a": np.zeros(4)}}, r"its observations are a mapping with a: float64 \(4,\)"),
        ({"obs": PICTURE.astype(float) - 9}, r"must be from 0 to 255, or from 0 to 1; they are -9.0"),
        ({"obs": np.full((20, 20, 3), np.nan)}, r"from 0 to 255.*nan"),
        ({"obs": np.zeros(4), "render": lambda *_, **__: np.zeros((0, 9, 3), np.uint8)}, r"sides must be 1 to 16384"),
        ({"obs": np.broadcast_to(np.uint8(0), (60000, 60000, 3))}, r"sides must be 1 to 16384 pixels; it gives 60000x"),
        (
            {"obs": np.broadcast_to(np.float32(0), (16, 99999, 3))},
            r"sides must be 1 to 16384 pixels; it gives 99999",
        ),
        ({"step": lambda *_: (PICTURE, None, False, {})}, "a reward must be a finite number; its step gives None"),
        ({"step": lambda *_: (PICTURE, "much", False, {})}, "its step gives 'much'"),
        ({"step": lambda *_: (PICTURE, float("nan"), False, {})}, "its step gives nan"),
        ({"step": lambda *_: (PICTURE, 0, {})}, "it gives a tuple of 3"),
        ({"step": lambda *_: None}, "it gives NoneType"),
        ({"action_space": Box(0, 1, (2,))}, "only discrete actions"),
        ({"action_space": gymnasium.spaces.MultiDiscrete([2, 2])}, "only discrete actions"),
        ({"action_space": None}, "only discrete actions can be played, it has None"),
        ({"action_space": Discrete(10_000_000_000)}, "has 10000000000 actions; 1 to 4096"),
        ({"action_space": 10_000_000_000}, "has 10000000000 actions; 1 to 4096"),
        ({"step": None}, "is no gymnasium.Env but Own"),
    ],
)
def test_what_cannot_be_played_is_one_line_with_its_cause(play, instead, message):
    with pytest.raises(UserError, match=message) as error:
        describe(play(Plain, **instead))
    assert "\n" not in str(error.value)


@pytest.fixture
def ctrl_c():
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_a_game_plays_is_ctrl_c(play):
    def presses(*_, **__):
        signal.raise_signal(signal.SIGINT)

    def passes_on(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt("saved") from error

    for step in (presses, passes_on):
        with pytest.raises(KeyboardInterrupt):
            describe(play(Plain, step=step))


def test_processes_that_a_game_forks_may_leave(play):
    def forks(self, action):
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        return PICTURE, 0.0, True, False, {}

    describe(play(Plain, step=forks))
