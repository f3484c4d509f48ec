"""The codebook of motions, and what the prior is taught."""

import math

import pytest
import torch

from genieredux.models.dynamics.canvas.motion import around_stillness, find_codes, soft_targets, to_codes


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
