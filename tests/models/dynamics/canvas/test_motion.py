"""The codebook of motions, and what the prior is taught."""

import math

import pytest
import torch

from genieredux.models.dynamics.canvas.motion import (
    around_stillness,
    find_codes,
    left_over,
    settled,
    soft_targets,
    to_codes,
)


def test_codes_are_where_the_motions_are_and_the_first_is_stillness():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [3.0, -1.0], [-6.0, 2.0], [0.0, 2.5]])
    shifts = centres.repeat_interleave(50, 0) + 0.05 * torch.randn(200, 2, generator=generator)
    shifts[:50] = 0
    codes = find_codes(shifts, 4)
    assert codes[0].tolist() == [0, 0]
    assert torch.cdist(centres, codes).min(1).values.max() < 0.05


def test_few_motions_are_taken_as_they_are():
    codes = find_codes(torch.tensor([[0.0, 0.0], [1.5, -2.0], [1.5, -2.0]]), 8)
    assert codes.shape == (8, 2)
    assert codes[:2].tolist() == [[0, 0], [1.5, -2]]
    assert len(codes.unique(dim=0)) == 8
    assert around_stillness(5)[0].tolist() == [0, 0]
    assert around_stillness(5)[4].norm() == pytest.approx(0.5)


def test_rounding_never_adds_up():
    """The place is never farther off than one rounding, however many frames there are."""
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    shifts = torch.tensor([[[0.4, 0.25]]]).expand(1, 40, 2)
    tokens, owed = to_codes(shifts, codes, torch.zeros(1, 2))
    off = codes[tokens].cumsum(1) - shifts.cumsum(1)
    assert off.abs().max() <= 0.5 + 1e-5
    assert tokens.unique().numel() > 1
    torch.testing.assert_close(owed, -off[:, -1])
    first, owed = to_codes(shifts[:, :7], codes, torch.zeros(1, 2))
    rest, _ = to_codes(shifts[:, 7:], codes, owed)
    assert torch.equal(torch.cat([first, rest], 1), tokens)


def test_a_jump_that_no_code_has_is_not_made_up_for():
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    tokens, owed = to_codes(torch.tensor([[[9.0, 0.0], [0.0, 0.0]]]), codes, torch.zeros(1, 2))
    assert tokens.tolist() == [[1, 0]]
    assert owed.tolist() == [[0, 0]]


def test_targets_are_a_gaussian_of_the_distance():
    codes = torch.tensor([[0.0, 0.0], [0.3, 0.0], [5.0, 5.0]])
    share = soft_targets(torch.tensor([[0.1, 0.0]]), codes, 0.2)[0]
    near, far = math.exp(-(0.1**2) / 0.08), math.exp(-(0.2**2) / 0.08)
    assert share.tolist() == pytest.approx([near / (near + far), far / (near + far), 0], abs=1e-6)


def test_a_walk_between_two_codes_goes_as_far_as_it_should():
    """2.46 pixels a frame, of which the codes have 2 and 3: whichever is drawn, the place is right to half a pixel."""
    codes = torch.tensor([[0.0, 0.0], [0.0, 2.0], [0.0, 3.0], [0.0, 9.0]])
    chances = torch.tensor([[0.05, 0.54 * 0.9, 0.46 * 0.9, 0.05]] * 2)
    owed, place, shown = torch.zeros(2, 2), torch.zeros(2, 2), set()
    for t in range(1, 101):
        drawn = torch.tensor([1 + t % 2, 2 - t % 2])
        tokens, wanted = settled(drawn, 3 + chances.log(), codes, owed)
        owed = left_over(wanted, codes[tokens])
        place += codes[tokens]
        shown |= set(tokens.tolist())
        assert (place - torch.tensor([0, 2.46 * t])).abs().max() <= 0.5 + 1e-4
    assert shown == {1, 2}


def test_what_is_drawn_far_from_the_rest_is_taken_as_it_is():
    """Codes are one motion where they are within 1.3 pixels along both axes."""
    codes = torch.tensor([[0.0, 0.0], [0.0, 1.35], [1.25, 1.25], [5.0, 0.0]])
    tokens, wanted = settled(torch.arange(4), torch.tensor([[0.0, 0.1, 0.2, 9.0]] * 4), codes, torch.zeros(4, 2))
    near = torch.tensor([0.0, 0.2]).softmax(0) @ codes[[0, 2]], torch.tensor([0.1, 0.2]).softmax(0) @ codes[[1, 2]]
    torch.testing.assert_close(wanted[:2], torch.stack(near))
    torch.testing.assert_close(wanted[3], codes[3])
    assert tokens.tolist() == [2, 2, 1, 3]  # the third is near both others


def test_what_is_unlikely_makes_nothing_creep():
    """A code counts from a quarter of the likeliest one's chance on."""
    codes = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    still = torch.tensor([[0.8, 0.199, 0.001]]).log()
    owed = torch.zeros(1, 2)
    for _ in range(20):
        tokens, wanted = settled(torch.tensor([0]), still, codes, owed)
        owed = left_over(wanted, codes[tokens])
        assert tokens.item() == 0
    assert owed.tolist() == [[0, 0]]
    _, wanted = settled(torch.tensor([0]), torch.tensor([[0.8, 0.2001, 0.0]]).log(), codes, owed)
    assert wanted[0, 1].item() == pytest.approx(0.2, abs=1e-3)
    _, wanted = settled(torch.tensor([0]), torch.tensor([[0.79, 0.21]]).log(), torch.tensor([[0.0, 2], [0, 3]]), owed)
    assert wanted[0, 1].item() == pytest.approx(2.21)
    _, wanted = settled(torch.tensor([0]), torch.tensor([[0.81, 0.19]]).log(), torch.tensor([[0.0, 2], [0, 3]]), owed)
    assert wanted[0, 1].item() == pytest.approx(2)
    codes = torch.tensor([[0.0, 2], [0, 3], [0, 2.5]])  # the third is where it should be, and never shown
    tokens, wanted = settled(torch.tensor([0]), torch.tensor([[0.499, 0.499, 0.002]]).log(), codes, owed)
    assert wanted[0, 1].item() == pytest.approx(2.5)
    assert tokens.item() in (0, 1)


def test_what_earlier_frames_owe_is_made_up_for():
    codes = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    logits = torch.tensor([[1.0, 1.0]])
    for owed, expected in ((0.4, 1), (-0.4, 0)):
        tokens, wanted = settled(torch.tensor([1 - expected]), logits, codes, torch.tensor([[0.0, owed]]))
        assert tokens.item() == expected
        torch.testing.assert_close(wanted, torch.tensor([[0.0, 0.5 + owed]]))
    assert left_over(torch.tensor([[0.0, 1.9]]), codes[1:]).tolist() == [[0, pytest.approx(0.9)]]
    assert left_over(torch.tensor([[0.0, 2.1]]), codes[1:]).tolist() == [[0, 0]]  # another thing, and no rounding
