"""A light convolutional tokenizer for small worlds: every frame by itself, one token per patch.

Pixels are folded into channels (space to depth), a few residual 3x3 convolutions see the neighbouring patches,
a learned codebook of unit vectors quantises, and the mirror image decodes. On two CPU cores it learns a game's
looks in minutes, where ST-ViViT needs days. Knows batches of frames; no game, file or trainer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.tokenizers.decoder_part import WithDecoder
from genieredux.models.tokenizers.settings import TokenizerSettings
from genieredux.models.tokenizers.stream import Framewise
from genieredux.models.types import Batch, Losses
from genieredux.settings import Codes, Depth, Width


@dataclass(frozen=True, kw_only=True)
class ConvTokenizerConfig(TokenizerSettings):
    """Settings of the convolutional tokenizer. The ones you will want to change: patch_size, the two widths,
    codebook_size. With the defaults: 0.5 M parameters, 16x16 tokens of a 64x64 frame.
    """

    architecture: Literal["conv"] = "conv"
    """Frames one by one, by convolutions."""
    encoder_width: Width = 64
    """Channels before the codebook."""
    encoder_blocks: Depth = 1
    """Residual blocks; each sees two patches further in every direction."""
    decoder_width: Width = 96
    """Channels after the codebook."""
    decoder_blocks: Depth = 2
    """Residual blocks after the codebook."""
    codebook_size: Codes = 512
    """Different tokens."""
    codebook_dim: Width = 16
    """Values of a code."""


class ResidualConv(nn.Module):
    """x + conv(gelu(conv(norm(x)))), 3x3; the second convolution starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.gather = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.gather.weight)
        nn.init.zeros_(self.gather.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gather(F.gelu(self.spread(self.norm(x))))


class ConvTokenizer(WithDecoder):
    """Frames to tokens and back, frame by frame."""

    kind = "tokenizer"
    settings = ConvTokenizerConfig
    framewise = True
    """A frame's tokens, and what they are drawn as, depend on that frame alone."""

    def __init__(self, config: ConvTokenizerConfig | None = None) -> None:
        super().__init__()
        config = ConvTokenizerConfig() if config is None else config
        self.config = config
        self.grid = (config.side, config.side)
        values = config.patch_values
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(config.patch_size),
            nn.Conv2d(values, config.encoder_width, 3, padding=1),
            *[ResidualConv(config.encoder_width) for _ in range(config.encoder_blocks)],
            nn.GroupNorm(1, config.encoder_width),
        )
        self.quantizer = config.make_quantizer(config.encoder_width)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.encoder_width, config.decoder_width, 3, padding=1),
            *[ResidualConv(config.decoder_width) for _ in range(config.decoder_blocks)],
            nn.GroupNorm(1, config.decoder_width),
            nn.Conv2d(config.decoder_width, values, 3, padding=1),
            nn.PixelShuffle(config.patch_size),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def decoder_modules(self) -> list[nn.Module]:
        return [self.decoder, self.quantizer.project_out]

    @property
    def codebook_size(self) -> int:
        return self.quantizer.codebook_size

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, codebook_dim)."""
        return self.quantizer.code_vectors()

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """Reconstruction and quantiser losses of batch.frames (B, T, C, H, W)."""
        if batch.frames is None:
            raise ValueError("a tokenizer trains on frames, and this batch has none")
        frames = batch.frames.flatten(0, 1)
        quantised = self.quantizer(self._features(frames), generator)
        restored = self._pixels(quantised.vectors)
        reconstruction = F.mse_loss(restored, frames)
        parts = {
            "reconstruction": reconstruction,
            "quantizer": quantised.loss,
            "perplexity": quantised.perplexity,
            "psnr": -10 * reconstruction.log10(),
        }
        total = reconstruction + self.config.vq_weight * quantised.loss
        return Losses(total, {name: value.detach() for name, value in parts.items()})

    def token_vectors(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (...) to what the decoder reads, float (..., encoder_width)."""
        return self.quantizer.codes(tokens)

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Vectors (B, T, h, w, encoder_width) to frames float32 (B, T, C, H, W), not clamped."""
        return self._pixels(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])

    def new_stream(self) -> Framewise:
        """Clips without end: frame by frame."""
        return Framewise(self.encode, self.decode)

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float (B, T, C, H, W) in [0, 1] to tokens int64 (B, T, h, w)."""
        return self.quantizer.encode(self._features(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames float32 (B, T, C, H, W) in [0, 1]."""
        pixels = self._pixels(self.quantizer.codes(tokens.flatten(0, 1)))
        return pixels.clamp(0, 1).unflatten(0, tokens.shape[:2])

    def _features(self, frames: Tensor) -> Tensor:
        """(N, C, H, W) to (N, h, w, encoder_width)."""
        x = (frames - 0.5).contiguous(memory_format=torch.channels_last)
        return self.encoder(x).permute(0, 2, 3, 1)

    def _pixels(self, vectors: Tensor) -> Tensor:
        """(N, h, w, encoder_width) to float32 (N, C, H, W), not yet clamped."""
        x = vectors.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        return self.decoder(x).float() + 0.5
