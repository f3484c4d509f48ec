"""Means and variances that follow what is seen: buffers, so that they are part of a checkpoint."""

import torch
from torch import Tensor, nn


class RunningMoments(nn.Module):
    """Mean and variance of all values seen; once `window` of them were, those long ago fade.

    shape: of one value.
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...], window: float) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("var", torch.ones(shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Take in values (N, *shape): the moments of both sets together (Chan et al. 1983)."""
        n = len(values)
        if not n:
            return
        known = min(float(self.count), self.window)
        share = n / (known + n)
        delta = values.mean(0) - self.mean
        var = values.var(0, unbiased=False)
        self.var.copy_((1 - share) * (self.var if known else 0.0) + share * var + share * (1 - share) * delta.square())
        self.mean += share * delta
        self.count += n
