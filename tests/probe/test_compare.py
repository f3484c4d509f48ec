"""What two pictures of one moment tell: figures, their motion, scenery that scrolls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.probe.compare import codes, colours, compare, displacement, scrolled

GROUND, BODY = (40, 60, 120), (230, 70, 70)


def picture(x=None, y=None, size=(120, 160), ground=GROUND):
    drawn = np.full((*size, 3), ground, np.uint8)
    if x is not None:
        drawn[y : y + 16, x : x + 10] = BODY
    return codes(drawn)


def tiles(seed=0, size=(200, 260)):
    return np.random.default_rng(seed).choice(np.array([0x203040, 0x406020, 0x806040], np.int32), size)


@given(st.integers(0, 2**24 - 1))
def test_codes_and_colours_are_inverse(code):
    assert codes(colours(np.array([[code]], np.int32)))[0, 0] == code


def test_equal_pictures_do_not_differ():
    assert compare(picture(20, 30), picture(20, 30)) is None


@given(st.integers(10, 130), st.integers(10, 90), st.integers(-24, 24), st.integers(-24, 24))
def test_a_figure_that_moved_is_found_with_its_direction(x, y, dx, dy):
    x2, y2 = min(max(x + dx, 0), 150), min(max(y + dy, 0), 104)
    change = compare(picture(x, y), picture(x2, y2))
    if (x, y) == (x2, y2):
        assert change is None
        return
    assert change.moved
    assert np.sign(change.dx) == np.sign(x2 - x)
    assert np.sign(change.dy) == np.sign(y2 - y)
    if abs(x2 - x) >= 10 or abs(y2 - y) >= 16:  # no overlap: exact
        assert (change.dx, change.dy) == (x2 - x, y2 - y)


def test_it_is_not_the_ground_that_moves_the_other_way():
    """Symmetric but for what is common round about: the figure may be of any colour, on any ground."""
    for ground, body in ((GROUND, BODY), (BODY, GROUND)):
        one, two = np.full((60, 80, 3), ground, np.uint8), np.full((60, 80, 3), ground, np.uint8)
        one[20:30, 20:28], two[20:30, 40:48] = body, body
        assert compare(codes(one), codes(two)).dx == 20


def test_something_new_is_no_motion():
    shot = picture()
    shot[50:54, 60:62] = 0xFFFFFF
    change = compare(picture(), shot)
    assert change.appeared
    assert not change.moved
    assert (change.gained, change.lost) == (8, 0)
    assert change.at == (60.5, 51.5)


def test_only_what_is_near_counts_when_the_player_is_known():
    one, two = picture(20, 20), picture(26, 20)
    one[90:100, 120:130] = two[90:100, 134:144] = 0x00FF00  # an enemy far away moves too
    change = compare(one, two, near=(20, 20, 36, 36), reach=6)
    assert change.box == (20, 20, 35, 35)
    assert compare(one, two, near=(60, 100, 62, 102), reach=6) is None


@pytest.mark.parametrize("shift", [(5, 0), (-9, 0), (0, 7), (12, -4)])
def test_scenery_that_moves_as_a_whole_is_measured_round_a_player_that_stands(shift):
    world = tiles()
    one, two = (
        world[40:160, 50:210].copy(),
        world[40 - shift[1] : 160 - shift[1], 50 - shift[0] : 210 - shift[0]].copy(),
    )
    one[50:70, 70:84] = two[50:70, 70:84] = 0xFF0000
    change = compare(one, two)
    assert change.shift == shift
    assert scrolled(one, two) == shift


def test_a_picture_that_changes_altogether_has_no_shift():
    one, two = tiles(1)[:120, :160], tiles(2)[:120, :160]
    assert displacement(one, two, one != two) == (0, 0)


def test_a_figure_that_moves_is_no_scrolling():
    assert scrolled(picture(20, 30), picture(60, 30)) == (0, 0)


def test_among_much_that_moves_one_way_the_player_is_what_moves_the_other():
    one, two = picture(), picture()
    for k in range(5):
        rows = slice(10 + 20 * k, 14 + 20 * k)
        one[rows, 20:28], two[rows, 23:31] = 0x00AA00, 0x00AA00
    camera = compare(one, two).shift
    assert camera[0] > 0  # no player to be seen: the camera turned
    assert camera[1] == 0
    one[50:58, 100:108], two[50:58, 98:106] = 0xFF0000, 0xFF0000
    player = compare(one, two)
    assert player.dx < 0
    assert player.shift == (0, 0)
