"""The motion of a picture as a whole, against motions that were made."""

import pytest
import torch
from torch import Tensor

from genieredux.models.dynamics.canvas.registration import shifts


def scene(seed: int = 0, size: int = 96) -> Tensor:
    """A smooth picture (3, size, size) with structure of a few pixels."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, size // 4, size // 4, generator=generator)
    return torch.nn.functional.interpolate(noise, size=size, mode="bicubic", align_corners=False)[0].clamp(0, 1)


def window(picture: Tensor, down: int, right: int, size: int = 32) -> Tensor:
    return picture[:, down : down + size, right : right + size]


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 0), (0, -2), (-5, 4), (7, -7), (-8, 8)])
def test_whole_pixels_are_found_with_their_sign(down, right):
    """What was at x is at x + (down, right): the window moves the other way."""
    picture = scene()
    before, after = window(picture, 30, 30)[None], window(picture, 30 - down, 30 - right)[None]
    found = shifts(before, after, 8)[0]
    torch.testing.assert_close(found, torch.tensor([float(down), float(right)]), atol=0.15, rtol=0)


def test_fractions_of_a_pixel_are_found():
    """A window of a picture of four times the size, moved by one of its pixels, is a quarter of a pixel away."""
    picture = scene(1, 512)
    for step in (-3, -1, 1, 2, 6):
        small = [torch.nn.functional.avg_pool2d(window(picture, 150 - moved, 150, 128)[None], 4) for moved in (0, step)]
        down, right = shifts(small[0], small[1], 8)[0].tolist()
        assert down == pytest.approx(step / 4, abs=0.2)
        assert right == pytest.approx(0, abs=0.1)
        assert abs(down) > 0.1


def test_what_moves_by_itself_does_not_decide():
    """A sprite that goes its own way over a still background, and a still sprite over one that scrolls."""
    picture = scene(2)
    before, after = window(picture, 30, 30).clone(), window(picture, 30, 30).clone()
    before[:, 4:12, 4:12], after[:, 4:12, 9:17] = 1, 1
    assert shifts(before[None], after[None], 8)[0].tolist() == [0, 0]
    scrolled = window(picture, 30, 33).clone()
    before = window(picture, 30, 30).clone()
    for frame in (before, scrolled):
        frame[:, 14:18, 14:18] = 1
    torch.testing.assert_close(shifts(before[None], scrolled[None], 8)[0], torch.tensor([0.0, -3.0]), atol=0.2, rtol=0)


def test_equal_frames_and_empty_ones_are_still_and_each_pair_is_its_own():
    picture = scene(3)
    still, moved = window(picture, 30, 30), window(picture, 28, 30)
    pairs = shifts(torch.stack([still, still, torch.zeros_like(still)]), torch.stack([still, moved, 0 * still]), 8)
    assert pairs[0].tolist() == pairs[2].tolist() == [0, 0]
    torch.testing.assert_close(pairs[1], torch.tensor([2.0, 0.0]), atol=0.15, rtol=0)
    many = shifts(still.expand(70, -1, -1, -1), moved.expand(70, -1, -1, -1), 8)
    torch.testing.assert_close(many, pairs[1:2].expand(70, 2))
