"""What was seen, continued: copied from where its surroundings agree, never made up."""

import pytest
import torch
from torch import Tensor

from genieredux.models.dynamics.canvas import continuation
from genieredux.models.dynamics.canvas.continuation import BLOCK, continued


def known_but(rows: slice, columns: slice, side: int = 32) -> Tensor:
    known = torch.ones(1, 1, side, side)
    known[..., rows, columns] = 0
    return known


def stripes(side: int = 32, every: int = 5, axis: int = -1) -> Tensor:
    """A picture (1, 3, side, side) whose columns (or rows) repeat every so many pixels, none of them alike."""
    colours = torch.rand(every, 3, generator=torch.Generator().manual_seed(0))
    line = colours[torch.arange(side) % every].T
    line = line[:, None, :] if axis == -1 else line[:, :, None]
    return line.expand(3, side, side)[None].contiguous()


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("side", ["first", "last"])
def test_a_texture_goes_on_in_step(axis, side):
    """Six new columns (or rows) at either side: the stripes go on as they were."""
    picture = stripes(axis=axis)
    hidden = slice(0, 6) if side == "first" else slice(26, 32)
    known = known_but(slice(None), hidden) if axis == -1 else known_but(hidden, slice(None))
    made, trust = continued(picture * known, known, 12)
    torch.testing.assert_close(made, picture)
    assert trust.min() > 0.5


def test_of_two_materials_each_goes_on_in_its_own_place():
    """The upper half is dark, the lower half striped; a strip of both is new."""
    picture = torch.cat([torch.full((1, 3, 16, 32), 0.1), stripes()[:, :, :16]], 2)
    known = known_but(slice(None), slice(28, 32))
    made, _ = continued(picture * known, known, 12)
    torch.testing.assert_close(made, picture)


def test_what_something_hides_is_what_goes_on_around_it():
    """A square of another colour on a floor of stripes, told to be unknown, is gone."""
    picture = stripes()
    known = known_but(slice(12, 20), slice(13, 19))
    hidden = picture.clone()
    hidden[..., 12:20, 13:19] = 1.0
    made, trust = continued(hidden, known, 12)
    torch.testing.assert_close(made, picture)
    assert trust.min() > 0.5


def test_what_is_known_stays_and_is_trusted_whatever_is_around_it():
    generator = torch.Generator().manual_seed(0)
    picture, known = (torch.rand(2, c, 16, 16, generator=generator) for c in (3, 1))
    known = (known > 0.5).float()
    made, trust = continued(picture, known, 6)
    at = (known > 0).expand_as(picture)
    assert torch.equal(made[at], picture[at])
    assert bool((trust[known > 0] == 1).all())
    assert bool((trust <= 1).all())
    assert bool((trust >= 0).all())


def test_where_surroundings_agree_less_it_is_trusted_less():
    known = known_but(slice(None), slice(28, 32))
    picture = stripes()
    noise = 0.2 * torch.rand(picture.shape, generator=torch.Generator().manual_seed(1))
    _, sure = continued(picture * known, known, 12)
    _, unsure = continued((picture + noise) * known, known, 12)
    assert float(unsure[..., 28:].max()) < 0.5 * float(sure[..., 28:].min())


def test_beyond_its_reach_and_where_nothing_was_seen_it_knows_nothing():
    known = torch.zeros(1, 1, 32, 32)
    known[..., :8] = 1
    made, trust = continued(torch.ones(1, 3, 32, 32) * known, known, 6)
    assert trust[..., 8 : 8 + BLOCK].min() > 0.5
    assert not trust[..., 16:].any()
    assert not made[..., 16:].any()
    _, nowhere = continued(torch.ones(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), 6)
    assert not nowhere.any()


def test_what_the_unknown_pixels_hold_does_not_matter_and_clips_are_apart():
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 3, 16, 16, generator=generator)
    known = (torch.rand(2, 1, 16, 16, generator=generator) > 0.3).float()
    made, trust = continued(pictures, known, 6)
    other, other_trust = continued(torch.where(known > 0, pictures, 0.7), known, 6)
    assert torch.equal(made, other)
    assert torch.equal(trust, other_trust)
    alone, _ = continued(pictures[1:], known[1:], 6)
    torch.testing.assert_close(alone, made[1:])


def test_a_pixel_is_trusted_only_where_it_was_copied_from_a_known_one():
    """Of white pixels, some known: what is trusted is white, and the rest is nothing."""
    known = (torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) > 0.2).float()
    known[..., 12:20] = 0
    made, trust = continued(torch.ones(4, 3, 32, 32), known, 3)
    assert bool((trust == 0).any())
    assert torch.equal(made, (trust > 0).to(made.dtype).expand_as(made))


def test_pictures_that_are_known_everywhere_are_left_and_the_others_are_as_alone(monkeypatch):
    asked, copied = [], continuation._copied
    monkeypatch.setattr(continuation, "_copied", lambda view, *rest: (asked.append(len(view)), copied(view, *rest))[1])
    picture = stripes().repeat(3, 1, 1, 1)
    known = torch.cat([torch.ones(1, 1, 32, 32), known_but(slice(0, 5), slice(None)), torch.ones(1, 1, 32, 32)])
    made, trust = continued(picture * known, known, 8)
    alone, sure = continued(picture[1:2] * known[1:2], known[1:2], 8)
    assert torch.equal(made, torch.cat([picture[:1], alone, picture[2:]]))
    assert torch.equal(trust, torch.cat([known[:1], sure, known[2:]]))
    assert (sure < 1).any()
    whole, certain = continued(picture[:1], known[:1], 8)
    assert torch.equal(whole, picture[:1])
    assert torch.equal(certain, known[:1])
    assert asked == [1, 1]
