"""Depthwise 3x3x3 convolution of video tokens, with a backward pass that is fast on a CPU.

torch's own backward of a channels-last depthwise conv3d takes tens of times as long as its forward there
(measured: benchmarks/depthwise.py). Both gradients are convolutions again: the input's is the forward
convolution with the kernel turned round, the weight's is three 2-d weight gradients, one per step in time.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def depthwise_conv3d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve x (B, T+2, H, W, D) to (B, T, H, W, D): no padding in time, zeros around H and W.

    weight: (D, 1, 3, 3, 3), as of nn.Conv3d; bias: (D,). Follows autocast.
    """
    device = x.device.type
    if device != "cpu":
        return _conv(x, weight, bias)
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    with torch.autocast(device, enabled=False):
        shift = None if bias is None else bias.to(dtype)
        return _Depthwise.apply(x.to(dtype), weight.to(dtype), shift)


def _conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Channels stay last: as (B, D, T, H, W) the tensor is already in the channels-last-3d format."""
    y = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(0, 1, 1), groups=x.shape[-1])
    return y.permute(0, 2, 3, 4, 1)


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _conv(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = _conv(F.pad(grad, (0, 0, 0, 0, 0, 0, 2, 2)), weight.flip(2, 3, 4), None)
        if ctx.needs_input_grad[1]:
            frames = grad.shape[1]
            taps = [_weight_gradient(x[:, k : k + frames], grad, weight[:, :, k]) for k in range(3)]
            grad_weight = torch.stack(taps, 2)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.flatten(0, -2).sum(0)
        return grad_x, grad_weight, grad_bias


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Gradient (D, 1, 3, 3) of one step's weight for frames x and output gradients, both (B, T, H, W, D)."""
    images, grads = (t.reshape(-1, *t.shape[2:]).permute(0, 3, 1, 2) for t in (x, grad))
    pair = [1, 1]
    return torch.ops.aten.convolution_backward(
        grads, images, weight, None, pair, pair, pair, False, [0, 0], x.shape[-1], [False, True, False]
    )[1]
