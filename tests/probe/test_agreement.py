"""Findings against labels."""

from dataclasses import replace

import pytest

from genieredux.envs.actions import JUMP_BUTTON
from genieredux.probe import ProbeConfig, agreement, annotate
from genieredux.probe.agreement import ALIKE, known_controls
from genieredux.probe.effects import WORDS
from genieredux.probe.verdicts import Verdict
from genieredux.retroact import resolve
from genieredux.retroact.words import CONTROLS
from probe.fake_machine import FakeMachine


@pytest.fixture(scope="module")
def walker():
    return annotate(FakeMachine("walker"), ProbeConfig(states=4))


def as_game(finding, game, motion):
    return replace(finding, game=game, motion=Verdict(motion, 0.5))


def test_motion_is_compared_with_retroact_alone(walker):
    findings = [
        as_game(walker, "Hero-Atari2600", "free"),
        as_game(walker, "Alien-Atari2600", "h"),
        as_game(walker, "Pong-Atari2600", "unsure"),
        as_game(walker, "Asterix-Atari2600", "free"),  # labelled by this project: no witness
    ]
    found = agreement(findings)
    assert found.confusion() == {("free", "free"): 1, ("free", "h"): 1, ("v", "unsure"): 1}
    assert found.majority() == ("free", 2)
    assert found.plain()["motion"] | {"confusion": []} == {
        "compared": 3, "right": 1, "unsure": 1, "majority_label": "free", "majority_right": 2, "confusion": []
    }  # fmt: skip


def test_published_control_labels_come_before_our_own(walker):
    published = agreement([as_game(walker, "SuperMarioBros-Nes", "free")])
    assert {one.what: one.agrees for one in published.controls} == {
        "RIGHT": True, "LEFT": True, "UP": True, "DOWN": True, "ACTION_JUMP": True, "ACTION_SECONDARY": True
    }  # fmt: skip
    ours = agreement([as_game(walker, "Hero-Atari2600", "free")])
    assert {one.what for one in ours.controls} == {"RIGHT", "LEFT", "UP"}  # the machine has no BUTTON
    assert [one.what for one in ours.controls if not one.agrees] == ["UP"]


def test_our_own_table_is_of_real_games_buttons_and_words():
    words = {*WORDS, *ALIKE}
    for name, controls in known_controls().items():
        game = resolve(name)
        assert game.name == name
        assert set(controls) <= {button for button in game.buttons if button}
        assert {word for label in controls.values() for word in label.split("|")} <= words
        assert game.console in JUMP_BUTTON


def test_every_published_word_can_be_agreed_with():
    from genieredux.retroact import select

    published = {game.controls[key] for game in select(controls=True) for key in CONTROLS[:6]}
    sayable = {*WORDS, "climb"}
    assert all(sayable & {*ALIKE.get(word, (word,))} for word in published)
