"""How much a step computes, counted, and how much the machine could, measured: their ratio is the MFU.

Model FLOPs are those of forward and backward as the model is written (a multiply-add is two): what activation
checkpointing computes again is not counted. The ceiling is that of the device alone: where other programs compute too,
the MFU says how much of the whole device the run got. Knows no loop.
"""

import functools
import time

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from genieredux.models.types import Batch
from genieredux.nn.kernels import Kernel, use_kernel
from genieredux.nn.precision import autocast, slow_bf16_products

SIDE = {"cpu": 512, "cuda": 8192}
"""Rows of the square matrices whose product is the machine's ceiling."""
TRIES = 40
MEASURABLE_S = 5e-3
"""A try lasts so long at least: some machines count a process's time in ticks of several milliseconds."""


def flops_per_clip(model: nn.Module, batch: Batch, precision: str) -> float:
    """FLOPs of forward and backward on one clip, counted by doing it with the first of `batch` (on the model's
    device). Parameters, gradients, buffers and global randomness stay as they were.

    What the forward pass keeps for the backward one is dropped, zeros of its shape take its place: the count is the
    same, and counting takes less memory than a step that computes its activations again.
    """
    device = next(model.parameters()).device
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    counter, computing = FlopCounterMode(display=False), autocast(precision, device)  # which may try the CPU: before
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), use_kernel(Kernel.EXPLICIT), counter:
        with computing, saved_tensors_hooks(_shape_of, _zeros_of):
            losses = model(batch.first(1), torch.Generator(device).manual_seed(0))
        losses.total.backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name]
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
    return float(counter.get_total_flops())


_Kept = Tensor | tuple[torch.Size, torch.dtype, torch.device]


def _shape_of(value: Tensor) -> _Kept:
    """What is kept of a value; parameters are there anyway."""
    return value if isinstance(value, nn.Parameter) else (value.shape, value.dtype, value.device)


def _zeros_of(kept: _Kept) -> Tensor:
    return kept if isinstance(kept, Tensor) else torch.zeros(kept[0], dtype=kept[1], device=kept[2])


@functools.cache
def matmul_ceiling(device: torch.device, precision: str) -> float:
    """FLOPs a second of large matrix products in `precision` on `device`, if nothing else ran there: the best of many.

    On a CPU the time that this process computed is taken, shared by its threads, so that neither waiting for a core
    nor programs beside it lower the ceiling; call it while no other thread of the process works. On a GPU it is the
    time until the result is there. Measured once per process.
    """
    side, on_cpu = SIDE.get(device.type, SIDE["cpu"]), device.type == "cpu"
    narrow = precision == "bf16" and not (on_cpu and slow_bf16_products())  # such products are made in float32 there
    dtype = torch.bfloat16 if narrow else torch.float32
    generator = torch.Generator(device).manual_seed(0)  # not of ones: a GPU multiplies those faster than real weights
    a = torch.randn(side, side, device=device, generator=generator).to(dtype)
    clock, threads = (time.process_time, torch.get_num_threads()) if on_cpu else (time.perf_counter, 1)
    best = float("inf")
    with torch.no_grad():
        for _ in range(TRIES):
            began, products, spent = clock(), 0, 0.0
            while spent < MEASURABLE_S:
                float((a @ a)[0, 0])  # waits for the device
                products, spent = products + 1, clock() - began
            best = min(best, spent / products)
    if device.type == "cuda":
        del a
        torch.cuda.reset_peak_memory_stats(device)  # these matrices are no part of what a run needs
    return 2.0 * side**3 * threads / best
