"""Multi-head attention over one axis of video tokens (B, T, N, D): the N places of a frame, or the T frames
of a place.

Knows no grid and no position: whoever calls it passes the bias. How the softmax is computed is kernels.py's
choice.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from genieredux.nn.cache import KeyValues
from genieredux.nn.kernels import attend
from genieredux.nn.products import Linear

QK_NORM_SCALE = 8.0
"""Scores of unit queries and keys are multiplied by this (published setting)."""


class LayerNorm(nn.Module):
    """Layer normalisation with a learned gain and no shift; eps 1e-5."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.gamma.shape, self.gamma, None, 1e-5)


def linear_beside(dim: int, beside: int, out: int) -> Linear:
    """A linear map without bias of `dim` values and `beside` more.

    The columns of the latter begin as those of a map of `beside` values alone: as a few among hundreds, a one-hot
    vector would hardly be heard at first.
    """
    linear = Linear(dim + beside, out)
    if beside:
        bound = beside**-0.5
        nn.init.uniform_(linear.weight[:, dim:], -bound, bound)
    return linear


def join_beside(x: Tensor, beside: Tensor | None) -> Tensor:
    """x (B, T, N, D) with a frame's condition (B, T, C) beside every token: (B, T, N, D + C)."""
    if beside is None:
        return x
    return torch.cat([x, beside.to(x.dtype)[:, :, None].expand(-1, -1, x.shape[2], -1)], -1)


class Attention(nn.Module):
    """Attention with unit queries and keys and learned gains, over space or over time.

    normalise_context False: queries come from the normalised input and keys and values from the raw one (as
    published). True: all three from the normalised input through one matrix, which is faster.
    qk_norm False: plain scaled dot products, without the gains.
    beside: values of a condition that every token brings along to the projections, not normalised.
    """

    def __init__(
        self,
        dim: int,
        *,
        axis: Literal["space", "time"],
        heads: int = 8,
        dim_head: int = 64,
        normalise_context: bool = False,
        qk_norm: bool = True,
        beside: int = 0,
    ) -> None:
        super().__init__()
        inner = heads * dim_head
        self.axis = axis
        self.heads = heads
        self.normalise_context = normalise_context
        self.qk_norm = qk_norm
        self.norm = LayerNorm(dim)
        if normalise_context:
            self.to_qkv = linear_beside(dim, beside, 3 * inner)
        else:
            self.to_q = linear_beside(dim, beside, inner)
            self.to_kv = linear_beside(dim, beside, 2 * inner)
        if qk_norm:
            self.q_scale = nn.Parameter(torch.ones(dim_head))
            self.k_scale = nn.Parameter(torch.ones(dim_head))
        self.to_out = Linear(inner, dim)

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        cache: KeyValues | None = None,
        keep: bool = True,
        beside: Tensor | None = None,
    ) -> Tensor:
        """x: (B, T, N, D). bias: (heads or 1, queries, keys), causal masks included; over time also one for each clip,
        (B, heads or 1, queries, keys).

        cache (time only): older frames' keys and values; x are the frames after them, stored if keep.
        beside: (B, T, beside), the condition of each frame, where the layer has one.
        Returns (B, T, N, D); the residual is the caller's.
        """
        b, t, n, _ = x.shape
        q, k, v = self._project(x, beside)
        if cache is not None:
            k, v = cache.extend(k, v, keep)
        if bias is not None and bias.dim() == 4:
            bias = bias.repeat_interleave(n, 0)
        out = attend(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), bias=bias, scale=self._scale)
        if self.axis == "space":  # (B*T, heads, N, d)
            out = out.transpose(1, 2).reshape(b, t, n, -1)
        else:  # (B*N, heads, T, d)
            out = out.view(b, n, self.heads, t, -1).permute(0, 3, 1, 2, 4).reshape(b, t, n, -1)
        return self.to_out(out)

    @property
    def _scale(self) -> float | None:
        return 1.0 if self.qk_norm else None

    def _project(self, x: Tensor, beside: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys, values: (B, T, heads, N, d) over space, (B, N, heads, T, d) over time."""
        y = join_beside(self.norm(x), beside)
        if self.normalise_context:
            q, k, v = self._split(self.to_qkv(y), 3)
        else:
            (q,) = self._split(self.to_q(y), 1)
            k, v = self._split(self.to_kv(join_beside(x, beside)), 2)
        if self.qk_norm:
            q = _Unit.apply(q, self.q_scale * QK_NORM_SCALE)
            k = _Unit.apply(k, self.k_scale)
        return q, k, v

    def _split(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(B, T, N, parts*heads*d) to contiguous parts with heads outside: one copy."""
        z = projected.unflatten(-1, (parts, self.heads, -1))
        order = (3, 0, 1, 4, 2, 5) if self.axis == "space" else (3, 0, 2, 4, 1, 5)
        return z.permute(order).contiguous().unbind(0)


class _Unit(torch.autograd.Function):
    """x / |x| * gain over the last axis, differentiated by hand.

    Half to a third of the time of `F.normalize(x) * gain` and its backward on a CPU; x's dtype throughout.
    It runs four times a block: a quarter of a small model's training step went there.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min_(1e-12)
        inverse = length.reciprocal_().to(x.dtype)  # vector_norm gives float32 under some autocasts
        unit = x * inverse
        ctx.save_for_backward(unit, inverse, gain)
        return unit * gain.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        unit, inverse, gain = ctx.saved_tensors
        product = grad * unit
        grad_gain = product.flatten(0, -2).sum(0, dtype=gain.dtype)
        weight = gain.to(grad.dtype)
        along = product @ weight  # the part of the gradient that would change the length
        grad_x = (grad * weight).addcmul_(unit, along[..., None], value=-1).mul_(inverse)
        return grad_x, grad_gain
