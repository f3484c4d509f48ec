"""A convolution and the batch normalisation after it as one convolution: a frozen network needs no more."""

import torch
from torch import Tensor


def fold_batch_norm(
    weight: Tensor, mean: Tensor, variance: Tensor, shift: Tensor, gain: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(weight, bias), float32, of the one convolution.

    weight: (out, in, ...) of a convolution without bias; the rest (out,): gain (w * x - mean) / sqrt(variance + eps) +
    shift. Computed in float64.
    """
    scale = torch.rsqrt(variance.double() + eps)
    if gain is not None:
        scale = scale * gain.double()
    folded = weight.double() * scale.view(-1, *[1] * (weight.dim() - 1))
    return folded.float(), (shift.double() - mean.double() * scale).float()
