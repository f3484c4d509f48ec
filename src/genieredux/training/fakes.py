"""A small model with everything that can break a resume, and data made of arithmetic.

For tests and benchmarks.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genieredux.models.types import Batch, Losses
from genieredux.nn.draws import uniform
from genieredux.training.loop.randomness import derive_seed


@dataclass
class FakeModelConfig:
    width: int = 16
    heads: int = 2
    codes: int = 12
    dropout: float = 0.1


class FakeModel(nn.Module):
    """Convolution, attention over time, dropout (global randomness), masking (the generator), and a codebook
    of running means in buffers that the forward pass itself updates."""

    kind: ClassVar[str] = "fake"
    codes: Tensor
    counts: Tensor

    def __init__(self, config: FakeModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or FakeModelConfig()
        width = self.config.width
        self.encode = nn.Conv2d(3, width, 4, stride=4)
        self.attend = nn.TransformerEncoderLayer(
            width, self.config.heads, 2 * width, dropout=self.config.dropout, batch_first=True
        )
        self.decode = nn.ConvTranspose2d(width, 3, 4, stride=4)
        self.register_buffer("codes", torch.randn(self.config.codes, width))
        self.register_buffer("counts", torch.ones(self.config.codes))

    def forward(self, batch: Batch, generator: torch.Generator) -> Losses:
        """frames (B, T, 3, H, W) -> loss of rebuilding them with a random half of the latents zeroed."""
        assert batch.frames is not None
        b, t = batch.frames.shape[:2]
        x = self.encode(batch.frames.flatten(0, 1))
        kept = uniform((x.shape[0], 1, *x.shape[2:]), generator, x.device) < 0.5
        x = x * kept
        h, w = x.shape[2:]
        x = x.unflatten(0, (b, t)).permute(0, 3, 4, 1, 2).flatten(0, 2)
        x = self.attend(x).unflatten(0, (b, h, w))
        x = x.permute(0, 3, 4, 1, 2).flatten(0, 1)
        commitment = self._quantise(x.permute(0, 2, 3, 1).reshape(-1, self.config.width).float())
        reconstruction = F.mse_loss(self.decode(x).float(), batch.frames.flatten(0, 1))
        total = reconstruction + 0.1 * commitment
        return Losses(total, {"reconstruction": reconstruction.detach(), "commitment": commitment.detach()})

    def _quantise(self, x: Tensor) -> Tensor:
        ids = torch.cdist(x, self.codes).argmin(1)
        commitment = F.mse_loss(x, self.codes[ids])
        if self.training:
            with torch.no_grad():
                hits = F.one_hot(ids, self.config.codes).to(x.dtype)
                self.counts.lerp_(hits.sum(0), 0.1)
                means = hits.T @ x / hits.sum(0).clamp_min(1)[:, None]
                self.codes.copy_(torch.where(hits.any(0)[:, None], self.codes.lerp(means, 0.1), self.codes))
        return commitment


@dataclass
class FakeData:
    """Noise clips (batch_size, frames, 3, size, size), uint8; another seed gives other clips."""

    batch_size: int = 4
    frames: int = 4
    size: int = 16
    seed: int = 0

    def batch(self, k: int) -> Batch:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "train", k))
        shape = (self.batch_size, self.frames, 3, self.size, self.size)
        return Batch(frames=torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8))
