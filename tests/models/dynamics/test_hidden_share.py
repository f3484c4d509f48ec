"""How many tokens are hidden in training: the two laws, by their means and extremes."""

import math
from typing import Literal

import pytest
import torch

from genieredux.models.dynamics.corruption import disturb, hide

CPU = torch.device("cpu")


@pytest.mark.parametrize(("ratio", "mean"), [("uniform", 0.75), ("cosine", 2 / math.pi)])
def test_the_mean_share(ratio: Literal["uniform", "cosine"], mean: float) -> None:
    generator = torch.Generator().manual_seed(0)
    shares = hide((4000, 1, 8, 8), generator, CPU, ratio=ratio, per="clip").float().mean((1, 2, 3))
    assert shares.mean().item() == pytest.approx(mean, abs=0.02)
    if ratio == "uniform":
        assert shares.min() > 0.25  # half at least, and the luck of 64 tokens
    else:
        # cos(u pi / 2) is below 0.1 for a share of 1 - 2 acos(0.1) / pi of the draws
        rare = 1 - 2 * math.acos(0.1) / math.pi
        assert (shares < 0.1).float().mean().item() == pytest.approx(rare, abs=0.02)


def test_noise_replaces_up_to_its_share() -> None:
    tokens = torch.zeros(200, 4, 8, 8, dtype=torch.int64)
    changed = (disturb(tokens, 0.4, 16, torch.Generator().manual_seed(0)) != 0).float().mean().item()
    assert changed == pytest.approx(0.2 * 15 / 16, abs=0.04)  # half of the largest share; a 16th falls on itself
