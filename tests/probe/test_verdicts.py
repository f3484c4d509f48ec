"""Aggregation: confidences, families of words, axes."""

from hypothesis import given
from hypothesis import strategies as st

from genieredux.probe.effects import Effect
from genieredux.probe.verdicts import UNSURE, Verdict, axis, button, wilson, with_climbing


def effects(**votes):
    return [Effect(word, 3.0, -2.0, 4, {}) for word, count in votes.items() for _ in range(count)]


def test_wilson_is_the_published_interval():
    assert wilson(0, 0) == 0
    assert round(wilson(10, 10), 4) == 0.7225
    assert round(wilson(81, 263), 4) == 0.2553  # Newcombe 1998, table I


@given(st.integers(1, 200), st.data())
def test_wilson_is_below_the_share_and_grows_with_agreement(of, data):
    count = data.draw(st.integers(0, of))
    assert 0 <= wilson(count, of) <= count / of + 1e-9
    assert wilson(count, of) <= wilson(min(count + 1, of), of) + 1e-9
    assert wilson(count, of) <= wilson(2 * count, 2 * of) + 1e-9


def test_words_of_one_family_do_not_split_the_vote():
    one = button(effects(jump=7, up=6, right=4))
    assert (one.word, one.states, one.of) == ("jump", 13, 17)
    assert one.confidence == wilson(13, 17)


def test_a_button_that_hardly_ever_does_anything_does_nothing():
    assert button(effects(none=23, strike=1)).word == "none"
    assert button(effects(none=12, left=12)).word == "left"


def test_disagreement_and_little_evidence_are_unsure():
    assert button(effects(left=3, right=3, up=3)).word == UNSURE
    assert button(effects(left=1)).word == UNSURE
    assert button([]).word == UNSURE


def verdicts(**words):
    return {name: button(effects(**{word: 20})) for name, word in words.items()}


def test_axes():
    assert axis(verdicts(RIGHT="right", LEFT="left", UP="none", DOWN="none", A="shoot"), 20).word == "h"
    assert axis(verdicts(RIGHT="none", LEFT="none", UP="up", DOWN="down"), 20).word == "v"
    assert axis(verdicts(RIGHT="right", LEFT="left", UP="none", DOWN="none", A="jump"), 20).word == "free"
    assert axis(verdicts(RIGHT="turn", LEFT="turn", UP="up", DOWN="none"), 20).word == "free"
    assert axis(verdicts(RIGHT="none", LEFT="none", A="shoot"), 20).word == "fixed"
    assert axis(verdicts(RIGHT="none", LEFT="none", A="left"), 20).word == UNSURE
    assert axis({}, 0).word == UNSURE


def test_an_axis_needs_no_agreement_on_which_way():
    """Where the camera turns with the player it is hard to say what moved, but not along which axis."""
    assert axis({"LEFT": button(effects(left=10, right=10))}, 20).word == "h"


def test_climbing_is_going_up_where_something_jumps():
    assert with_climbing(verdicts(UP="up", DOWN="down", A="jump"))["UP"].word == "climb"
    assert with_climbing(verdicts(UP="up", DOWN="crouch", A="jump"))["DOWN"].word == "crouch"
    assert with_climbing(verdicts(UP="up", DOWN="down", A="shoot"))["UP"].word == "up"


def test_a_verdict_is_plain():
    assert Verdict("none", 0.5).votes == {}
