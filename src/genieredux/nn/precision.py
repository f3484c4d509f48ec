"""Which floating type to compute in on a device: bfloat16 autocast where it pays, which is measured.

Knows no model and no run.
"""

import contextlib
import functools
import time
from contextlib import AbstractContextManager

import torch
from torch import nn

WORTH = 1.3
"""bf16 must be this much faster in the probe: autocast's own casts cost something too."""


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
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@functools.cache
def cpu_bf16_speedup() -> float:
    """Time of a small float32 training step over that under bf16 autocast on this CPU; takes about 0.3 s.

    The two take turns and the fastest of each counts, so that other programs do not decide.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(256, 1024), nn.GELU(), nn.Linear(1024, 256))
        x = torch.randn(1024, 256)

        def seconds(precision: str) -> float:
            start = time.perf_counter()
            with autocast(precision, x.device):
                loss = layers(x).float().square().mean()
            loss.backward()
            return time.perf_counter() - start

        times = [(seconds("32"), seconds("bf16")) for _ in range(12)]
        return min(slow for slow, _ in times) / min(fast for _, fast in times)
