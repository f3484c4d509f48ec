"""Pixels to numbers and back: every byte is its 255th part, and comes back as it was."""

import numpy as np
import pytest
import torch

from genieredux.frames import PSNR_CAP_DB, capped, scaled, to_bytes, to_float, to_tensor

EVERY = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, -1)


def test_every_byte_is_its_255th_part_and_comes_back() -> None:
    floats = to_float(EVERY)
    assert floats.shape == (1, 3, 16, 16)
    assert floats.dtype == torch.float32
    assert torch.equal(floats[0, 0].flatten(), torch.arange(256) / 255)
    assert np.array_equal(to_bytes(floats), EVERY)


@pytest.mark.parametrize(("value", "byte"), [(0.5, 128), (0.4, 102), (0.998, 254), (-0.2, 0), (1.7, 255), (0.0059, 2)])
def test_floats_go_to_the_nearest_byte_inside_the_range(value: float, byte: int) -> None:
    assert (to_bytes(torch.full((3, 2, 2), value)) == byte).all()


def test_colours_stay_apart_and_floats_stay_floats() -> None:
    frame = np.zeros((2, 4, 5, 3), np.uint8)
    frame[..., 1] = 9
    assert to_tensor(frame).shape == (2, 3, 4, 5)
    assert (to_tensor(frame)[:, 1] == 9).all()
    assert to_tensor(frame).sum() == 9 * 40
    already = torch.rand(2, 3, 4, 5)
    assert scaled(already) is already


def test_decibels_are_capped_at_sixty_and_lower_ones_stay() -> None:
    assert PSNR_CAP_DB == 60
    assert capped(torch.tensor([12.0, 55.0, 60.0, 61.0, torch.inf])).tolist() == [12, 55, 60, 60, 60]
