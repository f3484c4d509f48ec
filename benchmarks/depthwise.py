"""The depthwise convolution of nn/depthwise.py against torch's own backward of the same convolution.

    OMP_NUM_THREADS=2 python benchmarks/depthwise.py

Milliseconds of the fastest forward and of the fastest forward with backward, the two taking turns.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from genieredux.nn.depthwise import depthwise_conv3d

SHAPES = {"light": (8, 18, 8, 8, 192), "published": (1, 18, 16, 16, 512)}


def torch_conv3d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    y = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(0, 1, 1), groups=x.shape[-1])
    return y.permute(0, 2, 3, 4, 1)


def fastest(runs: list[Callable[[], object]], seconds: float) -> list[float]:
    best = [float("inf")] * len(runs)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], (time.perf_counter() - start) * 1e3)
        rounds += 1
    return best


def both(convolve: Callable[..., Tensor], leaves: tuple[Tensor, ...], along: Tensor) -> Callable[[], object]:
    return lambda: torch.autograd.grad(convolve(*leaves), leaves, along)


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds")
    print(f"{'shape':12}{'dtype':10}{'forward':>9}{'torch both':>12}{'ours both':>11}")
    for name, shape in SHAPES.items():
        for dtype in (torch.float32, torch.bfloat16):
            dim = shape[-1]
            x = torch.randn(shape, dtype=dtype, requires_grad=True)
            weight = torch.randn(dim, 1, 3, 3, 3, dtype=dtype, requires_grad=True)
            bias = torch.randn(dim, dtype=dtype, requires_grad=True)
            leaves = (x, weight, bias)
            along = torch.randn_like(x[:, 2:])
            with torch.no_grad():
                (forward,) = fastest([lambda leaves=leaves: depthwise_conv3d(*leaves)], 1)
            runs = [both(f, leaves, along) for f in (torch_conv3d, depthwise_conv3d)]
            theirs, ours = fastest(runs, 2)
            print(f"{name:12}{str(dtype)[6:]:10}{forward:9.2f}{theirs:12.2f}{ours:11.2f}", flush=True)


if __name__ == "__main__":
    main()
