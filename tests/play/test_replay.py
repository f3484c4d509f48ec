import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.play.orders import read_order
from genieredux.play.replay import LONGEST, Replay, packed, runs
from genieredux.play.seat import Drawn


@given(st.lists(st.integers(0, 12), max_size=300))
def test_actions_survive_as_runs(actions):
    assert Replay(world="w", prompt=0, actions=runs(actions)).taken() == actions


def test_a_replay_says_where_it_began_once():
    for began in ({}, {"prompt": 1, "level": 2}, {"level": 1, "picture": "x"}):
        with pytest.raises(UserError, match="the beginning of the replay"):
            Replay.of({"world": "w", **began})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"version": 2}, "replay.version is 2; it must be 1"),
        ({"seed": -1}, "replay.seed"),
        ({"actions": "1x"}, "made of runs"),
        ({"actions": f"1x{LONGEST} 1"}, "actions or fewer"),
        ({"actions": "1x99999 " * 50_000}, "actions or fewer"),
        ({"choice": "best"}, "replay.choice"),
        ({"steps": 0}, "replay.steps"),
        ({"temperature": float("inf")}, "replay.temperature"),
        ({"extra": 1}, "replay.extra"),
    ],
)
def test_what_is_no_replay_is_refused(values, said):
    with pytest.raises(UserError, match=said):
        Replay.of({"world": "w", "prompt": 0, **values})
    for other in (None, [], "x", 3):
        with pytest.raises(UserError):
            Replay.of(other)


def test_a_picture_is_unpacked_to_its_size_and_no_further():
    pixels = np.random.default_rng(0).integers(0, 256, 64 * 64 * 3, np.uint8).tobytes()
    assert Replay(world="w", picture=packed(pixels)).pixels(len(pixels)) == pixels
    for bad in (packed(pixels[:-1]), packed(bytes(50_000_000)), "AAAA", "%%%", "é"):
        with pytest.raises(UserError):
            Replay(world="w", picture=bad).pixels(len(pixels))


def test_orders_are_read_strictly():
    order = read_order({"type": "begin", "value": {"prompt": 2, "steps": 4, "drawn": True}})
    assert order.value == {"prompt": 2, "drawn": Drawn(steps=4)}
    assert read_order({"type": "begin", "value": {"level": 3, "steps": 4}}).value == {"level": 3}
    assert read_order({"type": "begin"}).value == {}
    assert read_order({"type": "share", "value": "x"}).value == {}
    for bad in ({"type": ["begin"]}, {"type": "begin", "value": [1]}, {"type": "back", "value": {"number": True}}):
        with pytest.raises(UserError):
            read_order(bad)
