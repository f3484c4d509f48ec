"""Stand-ins for weights that no package ships: random numbers in the true layout."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

HERE = Path(__file__).parent / "evaluation" / "networks"


def inception_weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights with the names and shapes of pt_inception-2015-12-05-6726825d.pth, about 1 in every activation."""
    rng = np.random.default_rng(seed)
    return {name: _values(rng, name, shape) for name, shape in json.loads((HERE / "inception_layout.json").read_text())}


def alexnet_weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of the part of torchvision's alexnet file that LPIPS uses, and some that it does not."""
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    rng = np.random.default_rng(seed)
    found: dict[str, Tensor] = {}
    for place, shape in shapes.items():
        found[f"features.{place}.weight"] = _values(rng, "conv.weight", list(shape))
        found[f"features.{place}.bias"] = _values(rng, "bn.bias", [shape[0]])
    return {**found, "classifier.1.weight": torch.zeros(4, 4)}


def lpips_heads(seed: int = 0) -> dict[str, Tensor]:
    """Random non-negative weights with the names and shapes of lpips v0.1's alex.pth."""
    rng = np.random.default_rng(seed)
    return {
        f"lin{i}.model.1.weight": torch.from_numpy(rng.random((1, channels, 1, 1), dtype=np.float32))
        for i, channels in enumerate((64, 192, 384, 256, 256))
    }


def _values(rng: np.random.Generator, name: str, shape: list[int]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        return torch.from_numpy(rng.uniform(0.5, 2, shape).astype(np.float32))
    if name.endswith("bn.weight"):
        return torch.from_numpy(rng.uniform(0.5, 1.5, shape).astype(np.float32))
    scale = (2 / np.prod(shape[1:])) ** 0.5 if name.endswith("conv.weight") else 0.2
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * np.float32(scale))
