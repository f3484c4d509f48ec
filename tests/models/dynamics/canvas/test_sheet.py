"""The canvas remembers what was seen, at its place."""

import pytest
import torch
from torch import Tensor

from genieredux.models.dynamics.canvas.sheet import Canvas
from models.dynamics.canvas.test_model import make, walk
from models.dynamics.canvas.test_registration import scene, window


def at(down: int, right: int) -> Tensor:
    return window(scene(), 30 + down, 30 + right)[None]


def move(canvas: Canvas, down: float, right: float) -> None:
    canvas.move(torch.tensor([[down, right]]))


def test_a_first_frame_is_seen_as_it_is():
    canvas = Canvas.of(at(0, 0), 16)
    view, known = canvas.view()
    assert torch.equal(view, at(0, 0))
    assert known.all()
    assert canvas.size == 32


def test_moving_shows_what_is_known_and_says_what_is_not():
    canvas = Canvas.of(at(0, 0), 16)
    move(canvas, -5, 3)  # the content goes up by 5 and right by 3
    view, known = canvas.view()
    assert torch.equal(known[0, 0, :27, 3:], torch.ones(27, 29))
    assert known[0, 0, 27:].sum() == known[0, 0, :, :3].sum() == 0
    assert torch.equal(view[..., :27, 3:], at(0, 0)[..., 5:, :29])
    assert view[..., 27:, :].sum() == 0


def test_going_back_shows_what_was_there():
    """A walk in whole and half pixels, and back: the first frame, though it left the picture for a while."""
    canvas = Canvas.of(at(0, 0), 48)
    for _ in range(20):
        move(canvas, 0.5, -2)
    _, known = canvas.view()
    assert known.sum() == 0
    for _ in range(20):
        move(canvas, -0.5, 2)
    view, known = canvas.view()
    assert known.all()
    torch.testing.assert_close(view, at(0, 0), atol=1e-5, rtol=0)


def test_what_leaves_the_canvas_is_forgotten():
    canvas = Canvas.of(at(0, 0), 8)
    move(canvas, 0, 100)
    move(canvas, 0, -100)
    _, known = canvas.view()
    assert known.sum() == 0


def test_new_pixels_are_written_and_known_ones_only_where_it_is_said():
    canvas = Canvas.of(at(0, 0), 16)
    move(canvas, 0, -4)
    after = at(0, 4)
    canvas.write(1 - after, torch.zeros_like(after[:, :1]))
    view, known = canvas.view()
    assert known.all()
    torch.testing.assert_close(view[..., :28], after[..., :28])
    torch.testing.assert_close(view[..., 28:], 1 - after[..., 28:])
    over = torch.zeros_like(after[:, :1])
    over[..., 10:20, 5:9] = 1
    canvas.write(1 - after, over)
    view, _ = canvas.view()
    torch.testing.assert_close(view[..., 10:20, 5:9], (1 - after)[..., 10:20, 5:9])
    torch.testing.assert_close(view[..., :10, :28], after[..., :10, :28])


def test_a_fraction_of_a_pixel_is_kept_and_read_between_pixels():
    """Moves by thirds add up; the picture between pixels is a smooth one of both, not a step."""
    canvas = Canvas.of(at(0, 0), 16)
    for _ in range(3):
        move(canvas, 1 / 3, 0)
    view, _ = canvas.view()
    torch.testing.assert_close(view[..., 1:, :], at(0, 0)[..., :-1, :], atol=1e-5, rtol=0)
    move(canvas, 0.5, 0)
    between, _ = canvas.view()
    mean = (at(0, 0)[..., :-3, :] + at(0, 0)[..., 1:-2, :]) / 2
    assert (between[..., 2:-1, :] - mean).abs().mean() < 0.02


def test_a_canvas_of_whole_pixels_never_changes_what_it_was_given():
    """Moves by thirds: what is seen is at the nearest whole pixel, to the last bit, and so is what is written there."""
    canvas = Canvas.of(at(0, 0), 16, whole=True)
    fresh = at(2, 2)
    for step in range(1, 8):
        move(canvas, 1 / 3, -1 / 3)
        down = round(step / 3)
        view, known = canvas.view()
        assert torch.equal(view[..., down:, : 32 - down], at(-down, down)[..., down:, : 32 - down])
        assert known.sum() == (32 - down) ** 2
    over = torch.zeros_like(known)
    over[..., 10:20, 10:20] = 1
    before = view
    canvas.write(fresh, over)
    view, known = canvas.view()
    assert torch.equal(view, torch.where((over > 0) | (before.amax(1, keepdim=True) == 0), fresh, before))
    assert known.all()
    copied = canvas.clone()
    move(copied, 0.4, 0)
    assert torch.equal(copied.view()[0][..., 1:, :], view[..., :-1, :])  # 7 / 3 + .4 is 3 pixels


def test_on_whole_pixels_nothing_that_was_seen_changes_however_it_moves():
    """A canvas at fractions of a pixel shows true pixels alone; one that resamples does not."""
    for whole in (True, False):
        model = make(whole_pixels=whole)
        frames = walk(torch.tensor([[0]]))[:, 0]
        state, motion = model.begin(frames), torch.tensor([[0.3, -0.45]])
        for _ in range(6):
            state.canvas.move(motion)
            view, known = state.canvas.view()
            state.canvas.write(view, torch.zeros_like(known))
        there = known.expand_as(view) > 0
        shown = torch.isin(view[there], frames)
        assert shown.all() == whole


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_beside_what_is_unknown_colours_are_neither_darker_nor_brighter(fraction: float):
    """Cubic weights over the border of what is known do not add up to one: what is read is divided by what they do."""
    canvas = Canvas.of(torch.full((1, 3, 32, 32), 0.5), 16)
    move(canvas, -fraction, fraction)
    view, known = canvas.view()
    assert 0 < known.sum() < known.numel()
    seen = view[known.expand_as(view) > 0]
    torch.testing.assert_close(seen, torch.full_like(seen, 0.5), atol=1e-6, rtol=0)


def test_a_write_between_pixels_comes_back_where_it_was_drawn():
    canvas = Canvas.of(at(0, 0), 16)
    move(canvas, 0.4, -0.3)
    fresh = at(2, 2)
    canvas.write(fresh, torch.ones_like(fresh[:, :1]))
    view, _ = canvas.view()
    assert (view - fresh)[..., 2:-2, 2:-2].abs().mean() < 0.02
    assert (view - at(0, 0))[..., 2:-2, 2:-2].abs().mean() > 0.05


def test_clips_are_apart_and_a_copy_is_another():
    canvas = Canvas.of(torch.cat([at(0, 0), at(5, 5)]), 16)
    canvas.move(torch.tensor([[0.0, 0.0], [3.0, 1.0]]))
    view, known = canvas.view()
    assert torch.equal(view[:1], at(0, 0))
    assert known[0].all()
    assert not known[1].all()
    other = canvas.clone()
    canvas.write(torch.zeros_like(view), torch.ones_like(known))
    assert torch.equal(other.view()[0], view)
    canvas.put(torch.tensor([1]), Canvas.of(at(9, 9), 16))
    assert torch.equal(canvas.view()[0][1:], at(9, 9))
    assert canvas.view()[0][0].sum() == 0
