"""Words for what a button did, on branches drawn by hand."""

import numpy as np

from genieredux.probe.branches import HOLD, LOOKS, Branch
from genieredux.probe.effects import WORDS, effect


def branch(button, draw, variables=lambda look: {}):
    pictures = []
    for look in LOOKS:
        canvas = np.full((120, 160), 0x203C78, np.int32)
        canvas[100:110, look : look + 10] = 0x3CC85A  # an enemy that comes anyway
        draw(canvas, look)
        pictures.append(canvas)
    return Branch((button,) if button else (), pictures, [variables(look) for look in LOOKS], False)


def body(x, y, tall=16):
    def draw(canvas, look):
        at, down = round(x(look)), round(y(look))
        canvas[down - tall : down, at : at + 10] = 0xE64646

    return draw


def still(look):
    return 60


def held(look):
    return min(look, HOLD)


def word(button, draw, control=None, **variables):
    return effect(branch("", control or body(still, still)), branch(button, draw, **variables)).word


def test_nothing_is_none():
    assert word("A", body(still, still)) == "none"


def test_four_ways():
    assert word("RIGHT", body(lambda t: 60 + held(t), still)) == "right"
    assert word("LEFT", body(lambda t: 60 - held(t), still)) == "left"
    assert word("UP", body(still, lambda t: 60 - held(t) / 2)) == "up"
    assert word("DOWN", body(still, lambda t: 60 + held(t) / 2)) == "down"


def test_what_comes_down_again_jumped():
    assert word("A", body(still, lambda t: 60 - max(0, 24 - (t - 24) ** 2 / 24))) == "jump"


def test_what_leaps_up_to_land_lower_went_down():
    assert word("DOWN", body(still, lambda t: min(60 - 1.5 * t + t * t / 20, 100))) == "down"


def test_a_slow_start_is_no_turn():
    assert word("UP", body(still, lambda t: 60 - max(0, min(t, HOLD) - 20))) == "up"


def test_a_crouch_is_smaller_until_let_go():
    def draw(canvas, look):
        low = look <= HOLD
        body(still, still, 9 if low else 16)(canvas, look)
        canvas[60 - (9 if low else 16) : 60 - (6 if low else 13), 62:68] = 0xFADCB4

    def control(canvas, look):
        body(still, still)(canvas, look)
        canvas[44:47, 62:68] = 0xFADCB4

    assert word("DOWN", draw, control) == "crouch"


def test_a_shot_travels_and_a_fist_does_not():
    def shot(canvas, look):
        body(still, still)(canvas, look)
        if 72 + 3 * look < 156:
            canvas[50:52, 72 + 3 * look : 76 + 3 * look] = 0xFFFFFF

    def fist(canvas, look):
        body(still, still)(canvas, look)
        if look < 20:
            canvas[50:53, 70:76] = 0xFFFFFF

    assert word("B", shot) == "shoot"
    assert word("B", fist) == "strike"


def test_a_rope_that_gets_longer_goes_down_and_shorter_up():
    def rope(length):
        def draw(canvas, look):
            canvas[20 : 20 + length(look), 80:82] = 0xFFFFFF

        return draw

    assert word("DOWN", rope(lambda t: 30 + held(t)), rope(lambda t: 30)) == "down"
    assert word("UP", rope(lambda t: 70 - held(t)), rope(lambda t: 70)) == "up"


def test_a_button_that_lunges_strikes_but_a_direction_walks():
    lunge = body(lambda t: 60 + (12 if t < 16 else 0), still)
    assert word("B", lunge) == "strike"
    assert word("RIGHT", lunge) == "right"


def test_declared_positions_speak_where_pictures_do_not():
    seen = effect(
        branch("", body(still, still), lambda t: {"player_x": 10, "enemy_x": 5, "score": 0}),
        branch("RIGHT", body(still, still), lambda t: {"player_x": 10 + held(t), "enemy_x": 90, "score": 5}),
    )
    assert (seen.word, seen.dx) == ("right", HOLD)
    assert seen.moved == {"player_x": HOLD, "enemy_x": 85, "score": 5}


def test_names_of_others_and_counters_that_go_round_are_no_position():
    def changes(name, by):
        one = branch("", body(still, still), lambda t: {name: 0})
        return effect(one, branch("RIGHT", body(still, still), lambda t: {name: by})).word

    assert changes("xpos", 9) == "right"
    for name, by in (("boss_x", 9), ("camera_x", 9), ("extra", 9), ("x", 250)):
        assert changes(name, by) == "none"


def test_every_word_is_a_known_one():
    assert {"climb"}.isdisjoint(WORDS)  # climbing is a verdict over many states, not an effect
