"""The Fréchet distance of a random network's features of four frames at a time: how frames look and move, without
weights from anywhere.

A random convolutional network keeps enough of a picture to tell distributions apart (Saxe et al. 2011; Ulyanov et al.
2018), and its few features need a fraction of the samples of FVD's. The network is a pure function of a seed.

Windows: each four frames in a row that end in a predicted frame and hold one given frame at most, the last of the
prompt: so the step from the given to the dreamed frames is looked at, and N frames make N - 2 windows, which overlap.
256 clips of ten frames make 2,048; fewer are too few, and results say so.
"""

import hashlib
import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.frechet import FrechetMetric
from genieredux.evaluation.metrics.metric import Missing, Setting
from genieredux.evaluation.networks.convolutions import exact_convolutions

WINDOW, FEWEST, SEED = 4, 2048, 0
_LAYERS = ((3 * WINDOW, 48, 5, 4), (48, 96, 3, 2), (96, 96, 3, 2))  # channels in, out, kernel, stride
_MICRO_BATCH = 64


class RandomFrechet(FrechetMetric):
    """Of windows of four frames. seed: of the network."""

    about = About(
        "random_frechet",
        "Fréchet distance (random CNN)",
        digits=4,
        better="lower",
        pooled=True,
        few_below=FEWEST,
    )

    def __init__(self, seed: int = SEED, device: str = "cpu", cache: Any = None) -> None:
        weights = random_weights(seed)
        self.id, self.file, self.cache = f"random-{seed}-{weights_hash(weights)[:16]}", "", cache
        self._device = torch.device(device)
        self._weights = [weight.to(self._device) for weight in weights]

    @classmethod
    def open(cls, setting: Setting) -> "RandomFrechet":
        """See Openable."""
        if setting.config.horizon < WINDOW - 1:
            raise Missing(f"it needs {WINDOW - 1} predicted frames or more, there are {setting.config.horizon}")
        return cls(SEED, setting.device, setting.cache)

    def features(self, prompt: Tensor, frames: Tensor) -> Tensor:
        """(B, N - 2, 96 + 96 + 48)."""
        stacks = windows(prompt, frames)
        parts = [self._look(part) for part in stacks.flatten(0, 1).split(_MICRO_BATCH)]
        return torch.cat(parts).view(*stacks.shape[:2], -1)

    @torch.inference_mode()
    def _look(self, stacks: Tensor) -> Tensor:
        """(K, 4, C, H, W) -> (K, D): the mean of each channel of each layer over all places."""
        levels = (stacks.to(self._device, torch.float32).clamp(0, 1) * 255).round() / 255
        hidden = 2 * levels.flatten(1, 2) - 1
        means = []
        with exact_convolutions():
            for weight, (_, _, kernel, stride) in zip(self._weights, _LAYERS, strict=True):
                hidden = F.leaky_relu(F.conv2d(hidden, weight, stride=stride, padding=kernel // 2), 0.1)
                means.append(hidden.mean((-1, -2)))
        return torch.cat(means, -1).cpu()


def windows(prompt: Tensor, frames: Tensor) -> Tensor:
    """prompt (B, P, C, H, W), frames (B, N, C, H, W) -> (B, N - 2, 4, C, H, W), see the head of this file."""
    whole = torch.cat([prompt[:, -1:], frames], 1)
    return torch.stack([whole[:, start : start + WINDOW] for start in range(whole.shape[1] - WINDOW + 1)], 1)


def random_weights(seed: int) -> list[Tensor]:
    """The kernels of each layer, float32 (out, in, k, k), uniform with variance 2 / (in k^2) (He et al. 2015), from the
    bytes of SHAKE-256: the same on every machine and under every version of everything.
    """
    made = []
    for number, (channels, out, kernel, _) in enumerate(_LAYERS):
        count = out * channels * kernel**2
        digest = hashlib.shake_256(f"random frechet {seed} {number}".encode()).digest(4 * count)
        uniform = np.frombuffer(digest, "<u4").astype(np.float64) / 2**32 - 0.5
        scale = 2 * math.sqrt(3 * 2 / (channels * kernel**2))
        made.append(torch.from_numpy((scale * uniform).astype(np.float32)).view(out, channels, kernel, kernel))
    return made


def weights_hash(weights: list[Tensor]) -> str:
    """Hex digest of the bytes of all kernels."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.numpy().astype("<f4").tobytes())
    return digest.hexdigest()
