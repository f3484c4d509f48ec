"""Action maps: what each canonical action presses, and the errors of a wrong name."""

import pytest

from genieredux.envs.actions import ATARI_ACTIONS, CANONICAL, JUMP_BUTTON, button_masks, procgen_ids, procgen_names
from genieredux.envs.config import EnvConfig
from genieredux.errors import UserError

GENESIS = ("B", "A", "MODE", "START", "UP", "DOWN", "LEFT", "RIGHT", "C", "Y", "X", "Z")
NES = ("B", None, "SELECT", "START", "UP", "DOWN", "LEFT", "RIGHT", "A")
ATARI = ("BUTTON", None, "SELECT", "RESET", "UP", "DOWN", "LEFT", "RIGHT")


def test_the_canonical_order():
    assert CANONICAL == ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")


@pytest.mark.parametrize(
    ("console", "buttons", "jump"),
    [("Genesis", GENESIS, "C"), ("Nes", NES, "A"), ("Atari2600", ATARI, "BUTTON"), ("Snes", GENESIS, "B")],
)
def test_each_action_holds_exactly_its_button(console, buttons, jump):
    masks = button_masks(CANONICAL, buttons, console)
    held = [[buttons[k] for k in mask.nonzero()[0]] for mask in masks]
    assert held == [["RIGHT"], ["LEFT"], ["UP"], ["DOWN"], [jump]]


def test_joined_actions_and_none():
    masks = button_masks(("RIGHT+ACTION_JUMP", "NOOP"), NES, "Nes")
    assert [[NES[k] for k in mask.nonzero()[0]] for mask in masks] == [["RIGHT", "A"], []]


def test_a_button_goes_by_its_own_name():
    """Airstriker shoots with B, which is no canonical action of a Genesis."""
    masks = button_masks(("B", "RIGHT+B", "ACTION_JUMP"), GENESIS, "Genesis")
    assert [[GENESIS[k] for k in mask.nonzero()[0]] for mask in masks] == [["B"], ["B", "RIGHT"], ["C"]]
    with pytest.raises(UserError, match="has no action 'R'"):
        button_masks(("R",), GENESIS, "Genesis")


def test_jump_button_of_every_console():
    assert JUMP_BUTTON == {
        "Nes": "A",
        "Sms": "A",
        "GameBoy": "A",
        "Snes": "B",
        "32x": "B",
        "Genesis": "C",
        "Atari2600": "BUTTON",
    }


def test_coinrun_has_the_calibrated_actions():
    assert procgen_names("coinrun") == ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
    assert procgen_ids(procgen_names("coinrun"), "coinrun").tolist() == [7, 1, 3, 5, 8]


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UserError, match="nearest: 'RIGHT'"):
        button_masks(("RIGTH",), NES, "Nes")
    with pytest.raises(UserError, match="nearest: 'RIGHT_UP'"):
        procgen_ids(("RIGHTUP",), "coinrun")
    with pytest.raises(UserError, match="jump button"):
        button_masks(CANONICAL, GENESIS, "Saturn")
    with pytest.raises(UserError, match="distinct"):
        procgen_ids(("UP", "UP"), "coinrun")


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "procgn"},
        {"image_size": 0},
        {"frame_skip": 0},
        {"max_episode_steps": 0},
        {"num_workers": 0},
        {"start_level": -1},
        {"start_level": 2**31 - 5, "num_levels": 100},
    ],
)
def test_a_configuration_out_of_range_is_refused(values):
    with pytest.raises(UserError):
        EnvConfig(**values)


def test_atari_actions_have_the_numbers_of_the_arcade_learning_environment():
    assert ATARI_ACTIONS[:6] == ("NOOP", "FIRE", "UP", "RIGHT", "LEFT", "DOWN")
    assert ATARI_ACTIONS[6:10] == ("UP_RIGHT", "UP_LEFT", "DOWN_RIGHT", "DOWN_LEFT")
    assert ATARI_ACTIONS[10:] == tuple(f"{name}_FIRE" for name in ATARI_ACTIONS[2:10])
