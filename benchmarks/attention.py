"""Explicit attention against scaled_dot_product_attention, in the layouts in which the blocks call them.

    OMP_NUM_THREADS=2 python benchmarks/attention.py [--seconds 1.0] [--device cpu]

Kernels take turns and the fastest run of each counts, so that other load on the machine changes little.
Prints one row per case: milliseconds of each, their ratio, and what `choose_kernel` picks.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from genieredux.nn.kernels import Kernel, attend, choose_kernel
from genieredux.nn.positions import alibi_slopes, temporal_bias


@dataclass(frozen=True)
class Case:
    """Shapes as (batch, frames, places, heads, d). queries: new frames, where they are fewer than frames."""

    name: str
    batch: int
    frames: int
    places: int
    heads: int
    d: int
    axis: str
    queries: int | None = None


CASES = (
    Case("light, space", 8, 16, 64, 6, 32, "space"),
    Case("light, time", 8, 16, 64, 6, 32, "time"),
    Case("light d64, space", 8, 16, 64, 4, 64, "space"),
    Case("light d64, time", 8, 16, 64, 4, 64, "time"),
    Case("256 places, space", 2, 16, 256, 8, 32, "space"),
    Case("256 places, time", 2, 16, 256, 8, 32, "time"),
    Case("published, space", 1, 16, 256, 8, 64, "space"),
    Case("published, time", 1, 16, 256, 8, 64, "time"),
    Case("dream step, space", 1, 1, 64, 6, 32, "space"),
    Case("dream step, time", 1, 16, 64, 6, 32, "time", queries=1),
    Case("rollout of 32, space", 32, 1, 64, 6, 32, "space"),
    Case("rollout of 32, time", 32, 16, 64, 6, 32, "time", queries=1),
)


def tensors(case: Case, dtype: torch.dtype, device: str, grad: bool) -> list[torch.Tensor]:
    """q, k, v as projections leave them: (B, T, N, heads, d) in memory, seen as (sequences, heads, L, d)."""
    order = (0, 1, 3, 2, 4) if case.axis == "space" else (0, 2, 3, 1, 4)
    out = []
    for frames in (case.queries or case.frames, case.frames, case.frames):
        shape = (case.batch, frames, case.places, case.heads, case.d)
        t = torch.randn(shape, dtype=dtype, device=device, requires_grad=grad)
        out.append(t.permute(order).flatten(0, 1) if grad else t.permute(order).flatten(0, 1).detach())
    return out


def bias_of(case: Case, dtype: torch.dtype, device: str, kind: str) -> torch.Tensor | None:
    """none, fixed (ALiBi with the causal mask over time) or learned (a gradient flows to it)."""
    if kind == "none":
        return None
    if case.axis == "time":
        slopes = alibi_slopes(case.heads)
        bias = temporal_bias(case.queries or case.frames, case.frames, slopes=slopes)
        assert bias is not None
        return bias.to(device, dtype)
    shape = (case.heads, case.places, case.places)
    return torch.randn(shape, dtype=dtype, device=device, requires_grad=kind == "learned")


def fastest(runs: dict[Kernel, Callable[[], None]], seconds: float, device: str) -> dict[Kernel, float]:
    """Milliseconds of the fastest run of each, taking turns for `seconds`."""
    best = dict.fromkeys(runs, float("inf"))
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        for kernel, run in runs.items():
            start = time.perf_counter()
            run()
            if device != "cpu":
                torch.cuda.synchronize()
            best[kernel] = min(best[kernel], (time.perf_counter() - start) * 1e3)
        rounds += 1
    return best


def measure(case: Case, dtype: torch.dtype, grad: bool, bias_kind: str, seconds: float, device: str) -> str:
    q, k, v = tensors(case, dtype, device, grad)
    bias = bias_of(case, dtype, device, bias_kind)
    weight = torch.randn_like(q)
    leaves = [t for t in (q, k, v, bias) if t is not None and t.requires_grad]

    def run(kernel: Kernel) -> None:
        with torch.set_grad_enabled(grad):
            out = attend(q, k, v, bias=bias, scale=1.0, kernel=kernel)
        if grad:
            torch.autograd.grad(out, leaves, weight)

    ms = fastest({kernel: lambda kernel=kernel: run(kernel) for kernel in Kernel}, seconds, device)
    with torch.set_grad_enabled(grad):
        chosen = choose_kernel(q, k, bias)
    explicit, fused = ms[Kernel.EXPLICIT], ms[Kernel.SDPA]
    mark = " " if ms[chosen] <= 1.1 * min(ms.values()) else "<"
    what = "train" if grad else "infer"
    return (
        f"{case.name:22} {str(dtype)[6:]:9} {what} {bias_kind:8}{explicit:9.2f}{fused:9.2f}"
        f"{fused / explicit:8.2f}  {chosen.value}{mark}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="per case")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {options.device}, {torch.get_num_threads()} threads; '<': not the best")
    print(f"{'case':22} {'dtype':9} mode  bias     explicit     sdpa  ratio  chosen")
    for case in CASES:
        for dtype in (torch.float32, torch.bfloat16):
            for grad in (False, True):
                if grad and case.queries:
                    continue
                kinds = ["fixed", "none"] if case.axis == "time" else ["none", "learned" if grad else "fixed"]
                for kind in kinds:
                    print(measure(case, dtype, grad, kind, options.seconds, options.device), flush=True)


if __name__ == "__main__":
    main()
