"""How much a step computes, counted, and how much the machine could, measured: their ratio is the MFU.

Model FLOPs are those of forward and backward as the model is written (a multiply-add is two): what activation
checkpointing computes again is not counted. Knows no loop.
"""

import functools
import time
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from genieredux.models.types import Batch
from genieredux.nn.kernels import Kernel, use_kernel
from genieredux.nn.precision import autocast

SIDE = {"cpu": 512, "cuda": 8192}
"""Rows of the square matrices whose product is the machine's ceiling; small on a CPU, so that one of the tries falls
between what else runs there."""
TRIES = 40


def flops_per_clip(model: nn.Module, batch: Batch, precision: str) -> float:
    """FLOPs of forward and backward on one clip, counted by doing it with the first of `batch` (on the model's
    device). Parameters, gradients, buffers and global randomness stay as they were.
    """
    first = replace(batch, **{name: value[:1] for name, value in vars(batch).items() if isinstance(value, Tensor)})
    device = next(model.parameters()).device
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    counter = FlopCounterMode(display=False)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), use_kernel(Kernel.EXPLICIT), counter:
        with autocast(precision, device):
            losses = model(first, torch.Generator(device).manual_seed(0))
        losses.total.backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
    return float(counter.get_total_flops())


@functools.cache
def matmul_ceiling(device: torch.device, precision: str) -> float:
    """FLOPs a second of large matrix products in `precision` on `device` as it is now: the best of many."""
    side = SIDE.get(device.type, SIDE["cpu"])
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.ones(side, side, device=device, dtype=dtype)
    best = float("inf")
    with torch.no_grad():
        for _ in range(TRIES):
            began = time.perf_counter()
            product = a @ a
            float(product[0, 0])  # waits for the device
            best = min(best, time.perf_counter() - began)
    return 2.0 * side**3 / best
