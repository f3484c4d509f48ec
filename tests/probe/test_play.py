"""Whole probes of small games whose rules are known."""

import json

import numpy as np
import pytest
from PIL import Image

from genieredux.errors import UserError
from genieredux.probe import ProbeConfig, annotate, write_strip
from genieredux.probe.branches import HOLD, LOOKS, branch, reach
from probe.fake_machine import KINDS, FakeMachine

STATES = 10


@pytest.fixture(scope="module")
def findings():
    return {kind: annotate(FakeMachine(kind), ProbeConfig(states=STATES)) for kind in KINDS}


TRUTH = {
    "walker": ("free", {"RIGHT": "right", "LEFT": "left", "UP": "none", "DOWN": "crouch", "A": "jump", "B": "none"}),
    "climber": ("free", {"RIGHT": "right", "LEFT": "left", "UP": "climb", "DOWN": "climb", "A": "jump", "B": "none"}),
    "ship": ("h", {"RIGHT": "right", "LEFT": "left", "UP": "none", "DOWN": "none", "A": "none", "B": "shoot"}),
    "paddle": ("v", {"RIGHT": "none", "LEFT": "none", "UP": "up", "DOWN": "down", "A": "none", "B": "none"}),
    "flyer": ("free", {"RIGHT": "right", "LEFT": "left", "UP": "up", "DOWN": "down", "A": "none", "B": "none"}),
}


@pytest.mark.parametrize("kind", TRUTH)
def test_labels_are_found(findings, kind):
    motion, buttons = TRUTH[kind]
    found = findings[kind]
    assert {name: one.word for name, one in found.buttons.items()} == buttons
    assert found.motion.word == motion
    assert found.states == STATES


def test_what_never_answers_is_unsure(findings):
    still = findings["still"]
    assert (still.states, still.motion.word) == (0, "unsure")
    assert still.tried == 4 * STATES
    assert {one.word for one in still.buttons.values()} == {"unsure"}


def test_scrolling_is_seen_where_there_is_any(findings):
    assert {kind: findings[kind].scrolls.word for kind in TRUTH} == {
        "walker": "no", "climber": "no", "ship": "no", "paddle": "no", "flyer": "both"
    }  # fmt: skip


def test_the_published_names_stand_for_the_consoles_buttons(findings):
    walker, ship = findings["walker"], findings["ship"]
    assert walker.played_by == {"ACTION_JUMP": "A", "ACTION_SECONDARY": "B"}
    assert walker.controls["ACTION_JUMP"].word == "jump"
    assert ship.controls["ACTION_SECONDARY"].word == "shoot"
    assert list(ship.controls) == ["RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP", "ACTION_SECONDARY"]


def test_the_same_seed_gives_the_same_finding(findings):
    again = annotate(FakeMachine("walker"), ProbeConfig(states=STATES)).plain()
    assert json.dumps(again) == json.dumps(findings["walker"].plain())
    assert again != annotate(FakeMachine("walker"), ProbeConfig(states=STATES, seed=1)).plain()


def test_a_branch_is_repeatable_and_its_short_cut_changes_nothing():
    machine = FakeMachine("ship")
    state = next(reach(machine, np.random.default_rng(3)))
    control = branch(machine, state, ())
    for held in (("UP",), ("RIGHT",)):
        whole, short = branch(machine, state, held), branch(machine, state, held, control)
        assert whole.variables == short.variables
        np.testing.assert_array_equal(whole.pictures, short.pictures)


def test_the_button_is_let_go():
    machine = FakeMachine("paddle")
    machine.reset()
    pressed = branch(machine, machine.save(), ("UP",))
    after = [k for k, look in enumerate(LOOKS) if look >= HOLD]
    rows = [np.flatnonzero(pressed.pictures[k][:, 12] == 0xE64646)[-1] for k in after]
    assert len(set(rows)) == 1


def test_a_game_that_is_over_at_once_ends_the_search():
    class Over(FakeMachine):
        def frame(self, held):
            return True

    assert annotate(Over("walker"), ProbeConfig(states=4)).tried == 0


def test_the_picture_shows_every_button_that_works(findings, tmp_path):
    path = write_strip(findings["walker"], tmp_path / "new" / "walker.png")
    rows = {kind: Image.open(write_strip(findings[kind], path)).height for kind in ("walker", "paddle", "still")}
    assert rows["walker"] > rows["paddle"] > rows["still"]


def test_bad_numbers_are_refused():
    for bad in ({"states": 3}, {"states": 501}, {"seed": -1}):
        with pytest.raises(UserError):
            ProbeConfig(**bad)
