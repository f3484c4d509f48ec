"""What sees the picture."""

import torch

from genieredux.models.agent57.networks import torso


def test_small_has_two_convolutions_of_half_the_width():
    small, features = torso("small", 64)
    shapes = [tuple(p.shape) for name, p in small.named_parameters() if name.endswith("weight")]
    assert shapes == [(16, 1, 8, 8), (32, 16, 4, 4)]
    assert features == 32 * 6 * 6
    assert small(torch.zeros(2, 1, 64, 64)).shape == (2, features)
