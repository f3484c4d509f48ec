"""The value transform and the mixture, against values worked out by hand."""

import pytest
import torch

from genieredux.models.agent57.values import inverse_transform, mixed, transform


@pytest.mark.parametrize(
    ("x", "h"),
    [
        (0.0, 0.0),
        (3.0, 1.003),  # sqrt(4) - 1 + 0.003
        (-3.0, -1.003),
        (8.0, 2.008),  # sqrt(9) - 1 + 0.008
        (99.0, 9.099),  # sqrt(100) - 1 + 0.099
        (-0.75, -0.3236257),  # -(sqrt(1.75) - 1) - 0.00075
    ],
)
def test_the_transform_by_hand(x, h):
    assert transform(torch.tensor(x)).item() == pytest.approx(h, abs=1e-6)
    assert inverse_transform(torch.tensor(h)).item() == pytest.approx(x, abs=1e-4)


def test_the_inverse_inverts_small_and_large_values():
    x = torch.cat([-torch.logspace(-4, 6, 50), torch.zeros(1), torch.logspace(-4, 6, 50)])
    torch.testing.assert_close(inverse_transform(transform(x)), x, rtol=2e-5, atol=2e-6)


def test_the_mixture_by_hand():
    # h^-1: 3 and 8, 0 and -3; with beta 0.5: 3 + 4 = 7 and 0 - 1.5 = -1.5
    extrinsic, intrinsic = torch.tensor([1.003, 0.0]), torch.tensor([2.008, -1.003])
    by_hand = [7**0 * (8**0.5 - 1) + 0.007, -(2.5**0.5 - 1) - 0.0015]
    torch.testing.assert_close(mixed(extrinsic, intrinsic, torch.tensor(0.5)), torch.tensor(by_hand), atol=1e-5, rtol=0)
    torch.testing.assert_close(mixed(extrinsic, intrinsic, torch.tensor(0.0)), extrinsic, atol=1e-5, rtol=0)
