"""ST-ViViT: a video tokenizer of space-time blocks, causal in time, so the tokens of a prefix are those of
the whole.

Patches of frames are embedded (the first frame by a network of its own), encoded, quantised, decoded and
turned back into pixels. Knows batches of frames; no game, file or trainer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.tokenizer_config import TokenizerConfig
from genieredux.models.types import Batch, Losses
from genieredux.nn.blocks import TransformerConfig
from genieredux.nn.positions import ContinuousPositionBias
from genieredux.nn.quantize import Quantizer
from genieredux.nn.transformer import STTransformer


@dataclass(frozen=True, kw_only=True)
class STTokenizerConfig(TokenizerConfig):
    """Settings of the ST-ViViT tokenizer. The defaults are the published model (101.6 M parameters at 64x64).

    The ones you will want to change: patch_size, dim, blocks, codebook_size. Light settings for a small world:
    peg=False, feedforwards_per_block=1, normalise_context=True, quantizer="ema".
    """

    architecture: Literal["st_vivit"] = "st_vivit"
    dim: int = 512
    blocks: int = 8
    """Blocks of the encoder, and again of the decoder."""
    heads: int = 8
    dim_head: int = 64
    ff_mult: float = 4.0
    peg: bool = True
    feedforwards_per_block: Literal[1, 2] = 2
    normalise_context: bool = False
    qk_norm: bool = True
    quantizer: Literal["gradient", "ema", "fsq"] = "gradient"

    def transformer(self, order: Literal["st", "ts"]) -> TransformerConfig:
        """The encoder's ("st") or the decoder's ("ts") settings."""
        return TransformerConfig(
            dim=self.dim,
            depth=self.blocks,
            heads=self.heads,
            dim_head=self.dim_head,
            ff_mult=self.ff_mult,
            order=order,
            peg=self.peg,
            feedforwards_per_block=self.feedforwards_per_block,
            normalise_context=self.normalise_context,
            qk_norm=self.qk_norm,
            spatial_bias="given",
        )


class PatchEmbed(nn.Module):
    """Patches of pixels to vectors: LayerNorm, linear, LayerNorm."""

    def __init__(self, patch_values: int, dim: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(patch_values)
        self.linear = nn.Linear(patch_values, dim)
        self.norm_out = nn.LayerNorm(dim)

    def forward(self, patches: Tensor) -> Tensor:
        """(..., patch_values) to (..., dim)."""
        return self.norm_out(self.linear(self.norm_in(patches)))


class STTokenizer(nn.Module):
    """Frames to tokens and back. One spatial position bias is shared by encoder and decoder, as published."""

    kind = "tokenizer"

    def __init__(self, config: STTokenizerConfig | None = None) -> None:
        super().__init__()
        config = STTokenizerConfig() if config is None else config
        self.config = config
        values = config.patch_values
        self.grid = (config.side, config.side)
        self.embed_first = PatchEmbed(values, config.dim)
        self.embed_rest = PatchEmbed(values, config.dim)
        self.position = ContinuousPositionBias(config.heads, config.dim)
        self.encoder = STTransformer(config.transformer("st"))
        self.quantizer: Quantizer = config.make_quantizer(config.dim)
        self.decoder = STTransformer(config.transformer("ts"))
        self.pixels_first = nn.Linear(config.dim, values)
        self.pixels_rest = nn.Linear(config.dim, values)

    @property
    def codebook_size(self) -> int:
        """How many ids there are."""
        return self.quantizer.codebook_size

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, codebook_dim): the codes themselves."""
        return self.quantizer.code_vectors()

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """batch.frames: float (B, T, C, H, W) in [0, 1]. Loss: mean squared error of pixels plus the
        quantiser's.

        generator draws what the quantiser draws. parts: reconstruction, quantizer, perplexity
        (1..codebook_size).
        """
        if batch.frames is None:
            raise ValueError("a tokenizer trains on batch.frames")
        bias = self.position(*self.grid)
        quantised = self.quantizer(self._encode(batch.frames, bias), generator)
        decoded = self._decode(quantised.vectors, bias)
        # Compared as patches: the mean is the same, and no frames need to be put together.
        error = F.mse_loss(decoded.float(), self.patches(batch.frames).float())
        total = error + self.config.vq_weight * quantised.loss
        parts = {"reconstruction": error, "quantizer": quantised.loss, "perplexity": quantised.perplexity}
        return Losses(total, {name: part.detach() for name, part in parts.items()})

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Frames float (B, T, C, H, W) in [0, 1], frame 0 first of its clip, to tokens int64 (B, T, h, w)."""
        return self.quantizer.encode(self.encode_features(frames))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames float32 (B, T, C, H, W) in [0, 1]."""
        return self.decode_vectors(self.quantizer.codes(tokens)).float().clamp(0, 1)

    def encode_features(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) to what the quantiser reads, (B, T, h, w, dim)."""
        return self._encode(frames, self.position(*self.grid))

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """What the quantiser gives, (B, T, h, w, dim), to frames (B, T, C, H, W), not clamped."""
        return self._frames(self._decode(vectors, self.position(*self.grid)))

    def embed(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) to patch embeddings (B, T, h, w, dim)."""
        patches = self.patches(frames)
        return _first_and_rest(self.embed_first, self.embed_rest, patches)

    def patches(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) cut to (B, T, h, w, C*p*p): a patch's values by channel, row, column."""
        b, t, c, height, width = frames.shape
        size, p = self.config.image_size, self.config.patch_size
        if (c, height, width) != (self.config.channels, size, size):
            raise UserError(
                f"tokenizer: frames are {c}x{height}x{width} (channels x height x width), this tokenizer was"
                f" made for {self.config.channels}x{size}x{size}; use data of that size or another tokenizer"
            )
        cut = frames.view(b, t, c, height // p, p, width // p, p)
        return cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(b, t, height // p, width // p, -1)

    def _encode(self, frames: Tensor, bias: Tensor) -> Tensor:
        return self.encoder(self.embed(frames), spatial_bias=bias)

    def _decode(self, vectors: Tensor, bias: Tensor) -> Tensor:
        """Vectors (B, T, h, w, dim) to patches (B, T, h, w, C*p*p)."""
        decoded = self.decoder(vectors, spatial_bias=bias)
        return _first_and_rest(self.pixels_first, self.pixels_rest, decoded)

    def _frames(self, patches: Tensor) -> Tensor:
        b, t, h, w, _ = patches.shape
        p = self.config.patch_size
        cut = patches.view(b, t, h, w, -1, p, p).permute(0, 1, 4, 2, 5, 3, 6)
        return cut.reshape(b, t, -1, h * p, w * p)


def _first_and_rest(first: nn.Module, rest: nn.Module, x: Tensor) -> Tensor:
    """One module for the first frame of (B, T, ...), another for the others."""
    if x.shape[1] == 1:
        return first(x)
    return torch.cat([first(x[:, :1]), rest(x[:, 1:])], 1)
