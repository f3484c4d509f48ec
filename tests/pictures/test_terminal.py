"""Pictures in a terminal."""

import re

import numpy as np

from genieredux.pictures.terminal import lines


def test_every_pixel_is_where_it_was() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    rows = lines(list(frames), side=8, gap=3)
    assert len(rows) == 4
    for top, row in enumerate(rows):
        colours = re.findall(r"\033\[([34])8;2;(\d+);(\d+);(\d+)m", row)
        assert len(colours) == 2 * 16
        for layer in (0, 1):
            seen = np.array([[int(value) for value in colour[1:]] for colour in colours[layer::2]]).reshape(2, 8, 3)
            assert (seen == frames[:, 2 * top + layer]).all()
        assert re.sub(r"\033\[[^m]*m", "", row) == "▀" * 8 + "   " + "▀" * 8


def test_a_large_picture_is_made_small_by_means() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:32] = 200
    frame[::2, :, 1] = 100
    row = lines([frame], side=2)[0]
    assert re.findall(r"\d+;2;(\d+;\d+;\d+)m", row)[:2] == ["200;150;200", "0;50;0"]


def test_a_picture_may_be_smaller_than_its_place() -> None:
    frame = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert len(lines([frame], side=6)) == 3
