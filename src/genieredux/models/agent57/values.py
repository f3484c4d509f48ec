"""The value transform of R2D2 (Kapturowski et al. 2019, section 2.3) and Agent57's mixture of two values in it.

Knows no network.
"""

import torch
from torch import Tensor

EPSILON = 1e-3
"""Slope of the transform far from zero, which keeps it invertible."""


def transform(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x, of any shape (Pohlen et al. 2018, proposition A.2)."""
    return torch.sign(x) * (torch.sqrt(x.abs() + 1) - 1) + epsilon * x


def inverse_transform(x: Tensor, epsilon: float = EPSILON) -> Tensor:
    """The inverse of `transform`: sign(x) (((sqrt(1 + 4 epsilon y) - 1) / (2 epsilon))^2 - 1), y = |x| + 1 + epsilon.

    The quotient is written as 2 y / (sqrt(1 + 4 epsilon y) + 1), in which nothing cancels in float32.
    """
    y = x.abs() + 1 + epsilon
    root = 2 * y / (torch.sqrt(1 + 4 * epsilon * y) + 1)
    return torch.sign(x) * (root.square() - 1)


def mixed(extrinsic: Tensor, intrinsic: Tensor, beta: Tensor) -> Tensor:
    """h(h^-1(Q_e) + beta h^-1(Q_i)): what one greedy policy of both values follows (Agent57, equation 5 and appendix).

    extrinsic, intrinsic: (..., A), transformed. beta: (...).
    """
    return transform(inverse_transform(extrinsic) + beta[..., None] * inverse_transform(intrinsic))
