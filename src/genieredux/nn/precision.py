"""Which floating type to compute in on a device: bfloat16 autocast where it pays, which is measured.

Knows no model and no run.
"""

import contextlib
import functools
import time
from contextlib import AbstractContextManager

import torch
from torch import nn

from genieredux.nn.products import use_wide

WORTH = 1.3
"""bf16 must be this much faster in the probe: autocast's own casts cost something too."""
SLOW = 1.2
"""A product of bf16 that takes so many times longer than one of float32 is better computed in float32 (products.py)."""


def choose_precision(wanted: str, device: torch.device) -> str:
    """ "32" or "bf16": `wanted`, or for "auto" what is faster on `device`."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    return "bf16" if device.type == "cpu" and cpu_bf16_speedup() >= WORTH else "32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context a forward pass runs in."""
    if precision == "bf16":
        if device.type == "cpu":
            use_wide(slow_bf16_products())
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@functools.cache
def cpu_bf16_speedup() -> float:
    """Time of a small float32 training step over that under torch's own bf16 autocast on this CPU; takes about 0.3 s.

    The two take turns and the fastest of each counts, so that other programs do not decide.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256))
        x = torch.randn(1024, 256)

        def seconds(precision: str) -> float:
            start = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
                loss = layers(x).float().square().mean()
            loss.backward()
            return time.perf_counter() - start

        times = [(seconds("32"), seconds("bf16")) for _ in range(12)]
        return min(slow for slow, _ in times) / min(fast for _, fast in times)


@functools.cache
def slow_bf16_products() -> bool:
    """Whether this CPU multiplies bf16 so much more slowly than float32 that it should not; takes about 0.2 s.

    The two take turns, and what counts is the time that was computed, whatever else runs on the machine.
    """
    wide = torch.linspace(-1, 1, 1024 * 1024).view(1024, 1024)
    narrow = wide.to(torch.bfloat16)

    def seconds(a: torch.Tensor) -> float:
        start = time.process_time()
        torch.mm(a, a)
        return time.process_time() - start

    with torch.no_grad():
        times = [(seconds(narrow), seconds(wide)) for _ in range(8)][1:]
    return sum(slow for slow, _ in times) > SLOW * sum(fast for _, fast in times)
