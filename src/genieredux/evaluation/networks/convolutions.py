"""Convolutions of frozen networks: float32 that is float32, and batch normalisation folded in."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor


def exact_convolutions() -> AbstractContextManager[None]:
    """A context in which convolutions are full float32 and give the same numbers each time. On a CPU they do anyway;
    on a GPU, cuDNN would otherwise round their inputs to TF32's ten bits.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


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
