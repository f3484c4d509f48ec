"""Scaled dot-product attention, and the one rule that picks how it is computed.

Two kernels give the same numbers: an explicit matmul, softmax, matmul; and torch's fused
`scaled_dot_product_attention` (SDPA). Which is faster depends on the device, the dtype, the shape and on
whether a backward pass follows. `choose_kernel` holds the rule, benchmarks/attention.py the measurements
behind it. This file knows no parameters and no layout beyond (B, heads, L, d).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor


class Kernel(Enum):
    """How attention is computed."""

    EXPLICIT = "explicit"
    SDPA = "sdpa"


_forced: ContextVar[Kernel | None] = ContextVar("attention_kernel", default=None)

SHORT_KEYS = 32
"""Up to this many keys the explicit kernel wins on a CPU in every dtype and mode."""
CACHED_SCORES = 1 << 23
"""Up to this many scores (sequences * heads * queries * keys) stay in a CPU's cache between the steps."""
EXPLICIT_MAX_SCORES = 1 << 28
"""Above this the explicit kernel holds too much: 0.5 GB of scores in bfloat16, per layer in training."""


@contextmanager
def use_kernel(kernel: Kernel | None) -> Iterator[None]:
    """Force one kernel inside the block (None: let the rule choose again)."""
    token = _forced.set(kernel)
    try:
        yield
    finally:
        _forced.reset(token)


def choose_kernel(q: Tensor, k: Tensor, bias: Tensor | None) -> Kernel:
    """The faster kernel for these queries and keys (B, heads, L, d) by device, dtype, shape and grad mode."""
    if q.device.type != "cpu":
        return Kernel.SDPA  # flash and memory-efficient kernels; never the slower on a GPU at these sizes
    scores = q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]
    if scores > EXPLICIT_MAX_SCORES:
        return Kernel.SDPA
    if k.shape[2] <= SHORT_KEYS:
        return Kernel.EXPLICIT  # SDPA's blocks are mostly padding
    if bias is not None and bias.requires_grad and torch.is_grad_enabled():
        return Kernel.EXPLICIT  # SDPA falls back to unfused steps to differentiate its mask
    if q.dtype not in (torch.bfloat16, torch.float16):
        return Kernel.SDPA
    if q.requires_grad and torch.is_grad_enabled():
        return Kernel.EXPLICIT  # SDPA's low-precision backward takes 1.2 to 10 times as long
    return Kernel.EXPLICIT if scores <= CACHED_SCORES else Kernel.SDPA


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """Bool (queries, keys), True where attention is allowed; the last query sits on the last key."""
    age = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    return age >= 0


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    bias: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
    kernel: Kernel | None = None,
) -> Tensor:
    """softmax(q k^T * scale + bias) v.

    q: (B, heads, Lq, d); k, v: (B, heads, Lk, d), all of one floating dtype.
    bias: added to the scores, broadcastable to (B, heads, Lq, Lk); -inf forbids. Every query needs one
    allowed key.
    causal: query i sees keys up to i + Lk - Lq (the last query sits on the last key).
    scale: default d ** -0.5. kernel: override of the rule (see also `use_kernel`).
    Returns (B, heads, Lq, d) in q's dtype.
    """
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    kernel = kernel or _forced.get() or choose_kernel(q, k, bias)
    if kernel is Kernel.SDPA:
        if causal and bias is None and q.shape[2] == k.shape[2]:
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
        mask = _with_causal(bias, q, k) if causal else bias
        if mask is not None:
            mask = mask.to(q.dtype)
            if mask.dim() < 4:
                mask = mask.expand(1, *([1] * (3 - mask.dim())), *mask.shape) if mask.dim() < 3 else mask[None]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
    scores = (q * scale if scale != 1.0 else q) @ k.transpose(-1, -2)
    mask = _with_causal(bias, q, k) if causal else bias
    if mask is not None:
        scores = scores.add_(mask)
    return scores.softmax(-1) @ v


def _with_causal(bias: Tensor | None, q: Tensor, k: Tensor) -> Tensor:
    allowed = causal_mask(q.shape[2], k.shape[2], q.device)
    if bias is None:
        return torch.zeros(allowed.shape, dtype=q.dtype, device=q.device).masked_fill_(~allowed, -torch.inf)
    return bias.masked_fill(~allowed, -torch.inf)
