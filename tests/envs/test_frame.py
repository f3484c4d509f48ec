"""The frame transform against the published numbers, and what must hold for every picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.envs.frame import pad_to_square, transform
from published_cases import cases, read


@pytest.mark.parametrize("which", cases("transforms"))
def test_matches_the_published_transform(which):
    known = read("transforms", which)
    assert known
    for case in known.values():
        colours = case["image"].shape[-1]  # of the larger pictures the cut file has one
        image = np.ascontiguousarray(np.broadcast_to(case["image"].numpy(), (*case["image"].shape[:2], 3)))
        assert pad_to_square(image).shape == tuple(case["padded_shape"])
        np.testing.assert_array_equal(transform(image, 64)[..., :colours], case["out"].numpy())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 80), st.integers(0, 255))
def test_is_square_and_keeps_a_flat_colour_inside(height, width, size, value):
    out = transform(np.full((height, width, 3), value, np.uint8), size)
    assert out.shape == (size, size, 3)
    assert out.dtype == np.uint8
    assert out.max() <= value
    if height == width:
        assert (out == value).all()


@given(st.integers(1, 40), st.integers(1, 40))
def test_padding_is_centred_black_and_loses_nothing(height, width):
    square = pad_to_square(np.full((height, width, 3), 9, np.uint8))
    assert square.shape[0] == square.shape[1] == max(height, width)
    assert int((square > 0).sum()) == height * width * 3
    rows, columns = np.flatnonzero(square.any(axis=(1, 2))), np.flatnonzero(square.any(axis=(0, 2)))
    for first, last in ((rows[0], rows[-1]), (columns[0], columns[-1])):
        before, after = first, square.shape[0] - 1 - last
        assert 0 <= after - before <= 1


@pytest.mark.parametrize("size", [16, 64, 128])
def test_a_frame_of_the_right_size_is_unchanged(size):
    frame = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    assert transform(frame, size) is frame
