"""Replay: what is kept, how it is drawn, and that it is refused where memory has no room."""

import numpy as np
import pytest

from genieredux.agent57 import replay as module
from genieredux.agent57.replay import Replay, Shape, crossed, importance
from genieredux.errors import UserError

SHAPE = Shape(trace=4, image_size=8, hidden=3, heads=2)


def sequence(number):
    made = {name: np.zeros(size, kind) for name, (size, kind) in SHAPE.fields().items()}
    made["member"] = np.asarray(number)
    made["frames"] += np.uint8(number)
    return made


def filled(count, capacity=5, exponent=0.9):
    replay = Replay(SHAPE, capacity, exponent)
    for k in range(count):
        replay.add(sequence(k), 1.0 + k)
    return replay


def test_the_oldest_make_room():
    replay = filled(7)
    assert len(replay) == 5
    assert sorted(replay.arrays["member"].tolist()) == [2, 3, 4, 5, 6]


def test_it_draws_by_priority():
    replay = filled(3, exponent=0.5)
    replay.update(np.array([0, 1, 2]), np.array([1.0, 4.0, 25.0]))
    drawn, slots, chances = replay.sample(8000, np.random.default_rng(0))
    # 1, 2 and 5 of 8
    assert np.bincount(slots) / 8000 == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.02)
    assert chances[slots == 2][0] == pytest.approx(5 / 8)
    assert (drawn["frames"][:, 0, 0, 0, 0] == drawn["member"]).all()


def test_importance_by_hand():
    # (2 * 1/4)^-1 = 2 and (2 * 3/4)^-1 = 2/3, the largest is 1
    assert importance(np.array([0.25, 0.75]), 2, 1.0) == pytest.approx([1, 1 / 3])
    assert importance(np.array([0.25, 0.75]), 2, 0.0).tolist() == [1, 1]


def test_its_size_is_known_before(monkeypatch):
    replay = Replay(SHAPE, 10, 0.9)
    assert sum(values.nbytes for values in replay.arrays.values()) == 10 * SHAPE.bytes()
    monkeypatch.setattr(module, "free_memory", lambda: 100 * SHAPE.bytes())
    Replay(SHAPE, 80, 0.9)
    with pytest.raises(UserError, match=r"replay.capacity=81 sequences .* set replay.capacity=80 or less") as error:
        Replay(SHAPE, 81, 0.9)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [3, 12])
def test_going_on(count):
    one, other = filled(count), Replay(SHAPE, 5, 0.9)
    other.restore(one.state())
    for replay in (one, other):
        replay.add(sequence(77), 9.0)
    drawn = [replay.sample(50, np.random.default_rng(3)) for replay in (one, other)]
    assert (drawn[0][1] == drawn[1][1]).all()
    assert (drawn[0][0]["member"] == drawn[1][0]["member"]).all()


def test_who_learns_from_what_others_played():
    played = np.full(4000, 3, dtype=np.int64)
    assert np.array_equal(crossed(played, 0.0, 4, np.random.default_rng(0)), played)
    half = np.bincount(crossed(played, 0.5, 4, np.random.default_rng(0)), minlength=4) / 4000
    assert half == pytest.approx([0.125, 0.125, 0.125, 0.625], abs=0.03)
    everyone = np.bincount(crossed(played, 1.0, 4, np.random.default_rng(0)), minlength=4) / 4000
    assert everyone == pytest.approx([0.25] * 4, abs=0.03)
    assert (played == 3).all()


def test_nobody_is_crossed_by_default_and_nothing_is_drawn():
    generator = np.random.default_rng(0)
    played = np.arange(3)
    np.testing.assert_array_equal(crossed(played, 0.0, 3, generator), played)
    assert generator.random() == np.random.default_rng(0).random()
