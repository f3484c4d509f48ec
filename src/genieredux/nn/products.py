"""Matrix products of layers, in blocks of rows and in the faster of two types.

Some processors multiply bfloat16 more slowly than float32 (AVX-512 without AMX: half as fast). Under bfloat16 autocast
on such a one (`use_wide`, which precision.py decides by measuring) layers still keep bfloat16 between them, but
multiply in float32: the memory of the one at the speed of the other, and rounded once instead of at every operand.
Elsewhere products are torch's own. Knows no layer but the linear one.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ROWS = 1024
"""Rows at once on a CPU: what is made of them stays in its cache, and no large tensor is allocated anew."""

_wide = False


def use_wide(wide: bool) -> None:
    """Whether products of bfloat16 are computed in float32 on the CPU from now on."""
    global _wide
    _wide = wide


def widens(x: Tensor) -> bool:
    """Whether products of x are to be computed in float32 and rounded to bfloat16."""
    return (
        _wide
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def parts(rows: Tensor) -> list[slice]:
    """The blocks in which a CPU goes through rows (N, ...); everything at once elsewhere."""
    count = rows.shape[0]
    size = ROWS if rows.device.type == "cpu" else max(count, 1)
    return [slice(start, start + size) for start in range(0, count, size)]


def times(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight in weight's type, as x's type."""
    if x.dtype == weight.dtype:
        return x @ weight
    with torch.autocast(x.device.type, enabled=False):  # which would make bfloat16 of them again
        return (x.to(weight.dtype) @ weight).to(x.dtype)


def correlation(grad: Tensor, x: Tensor, dtype: torch.dtype) -> Tensor:
    """grad^T @ x of rows (N, ·), which is the gradient of a weight, in `dtype`."""
    if x.dtype == dtype:
        return grad.t() @ x
    total = torch.zeros(grad.shape[1], x.shape[1], dtype=dtype, device=x.device)
    for part in parts(x):
        total += grad[part].t().to(dtype) @ x[part].to(dtype)  # not addmm_, which counters of FLOPs pass over
    return total


class Linear(nn.Linear):
    """nn.Linear without a bias, computed as this module's head says."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if not widens(x):
            return F.linear(x, self.weight)
        return _Wide.apply(x.to(torch.bfloat16), self.weight)


class _Wide(torch.autograd.Function):
    """bfloat16 x (..., I) by a float32 weight (O, I), to bfloat16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _by_parts(x, weight.t())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad_x = _by_parts(grad, weight) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return grad_x, None
        return grad_x, correlation(grad.flatten(0, -2), x.flatten(0, -2), weight.dtype)


def _by_parts(x: Tensor, weight: Tensor) -> Tensor:
    rows = x.flatten(0, -2)
    out = x.new_empty(rows.shape[0], weight.shape[1])
    for part in parts(rows):
        out[part] = times(rows[part], weight)
    return out.view(*x.shape[:-1], -1)
