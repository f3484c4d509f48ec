"""Frames to space-time features and back: what ST-ViViT and the latent action model of the papers share.

Patches of frames are embedded (the first frame by a network of its own) and encoded; vectors are decoded and turned
back into pixels. Both directions are causal in time. Knows no codebook: what lies between is its users'.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.models.tokenizers.settings import TokenizerSettings
from genieredux.nn.blocks import BlockSettings, TransformerConfig
from genieredux.nn.positions import ContinuousPositionBias
from genieredux.nn.transformer import STTransformer
from genieredux.settings import Layers


@dataclass(frozen=True, kw_only=True)
class STVideoConfig(TokenizerSettings, BlockSettings):
    """Settings of encoder and decoder. The defaults are the published ones (papers' Tab. 4-10).

    The ones you will want to change: patch_size, dim, blocks. Light settings for a small world: peg=False,
    feedforwards_per_block=1, normalise_context=True.
    """

    blocks: Layers = 8
    """Blocks of the encoder, and again of the decoder."""

    def transformer(self, order: Literal["st", "ts"]) -> TransformerConfig:
        """The encoder's ("st") or the decoder's ("ts") settings."""
        return self.stack(self.blocks, order=order, spatial_bias="given")


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


class STVideo(nn.Module):
    """Encoder and decoder of video. One spatial position bias is shared by both, as published."""

    def __init__(self, config: STVideoConfig) -> None:
        super().__init__()
        self.config = config
        values = config.patch_values
        self.grid = (config.side, config.side)
        self.embed_first = PatchEmbed(values, config.dim)
        self.embed_rest = PatchEmbed(values, config.dim)
        self.position = ContinuousPositionBias(config.heads, config.dim)
        self.encoder = STTransformer(config.transformer("st"))
        self.decoder = STTransformer(config.transformer("ts"))
        self.pixels_first = nn.Linear(config.dim, values)
        self.pixels_rest = nn.Linear(config.dim, values)

    def encode_features(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W), frame 0 first of its clip, to features (B, T, h, w, dim)."""
        return self.encode_patches(frames, self.position(*self.grid))

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Vectors (B, T, h, w, dim) to frames (B, T, C, H, W), not clamped."""
        return self.frames(self.decode_patches(vectors, self.position(*self.grid)))

    def embed(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) to patch embeddings (B, T, h, w, dim)."""
        patches = self.patches(frames)
        return first_and_rest(self.embed_first, self.embed_rest, patches)

    def patches(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) cut to (B, T, h, w, C*p*p): a patch's values by channel, row, column."""
        b, t, c, height, width = frames.shape
        size, p = self.config.image_size, self.config.patch_size
        if (c, height, width) != (self.config.channels, size, size):
            raise UserError(
                f"frames are {c}x{height}x{width} (channels x height x width), this model was"
                f" made for {self.config.channels}x{size}x{size}; use data of that size or another model"
            )
        cut = frames.view(b, t, c, height // p, p, width // p, p)
        return cut.permute(0, 1, 3, 5, 2, 4, 6).reshape(b, t, height // p, width // p, -1)

    def encode_patches(self, frames: Tensor, bias: Tensor) -> Tensor:
        """`encode_features` with a bias that was made before."""
        return self.encoder(self.embed(frames), spatial_bias=bias)

    def decode_patches(self, vectors: Tensor, bias: Tensor) -> Tensor:
        """Vectors (B, T, h, w, dim) to patches (B, T, h, w, C*p*p)."""
        decoded = self.decoder(vectors, spatial_bias=bias)
        return first_and_rest(self.pixels_first, self.pixels_rest, decoded)

    def frames(self, patches: Tensor) -> Tensor:
        """Patches (B, T, h, w, C*p*p) put together to frames (B, T, C, H, W)."""
        b, t, h, w, _ = patches.shape
        p = self.config.patch_size
        cut = patches.view(b, t, h, w, -1, p, p).permute(0, 1, 4, 2, 5, 3, 6)
        return cut.reshape(b, t, -1, h * p, w * p)


def first_and_rest(first: nn.Module, rest: nn.Module, x: Tensor) -> Tensor:
    """One module for the first frame of (B, T, ...), another for the others.

    Of one frame alone the other module sees none in training: its gradient then is zero instead of absent, which
    processes that share their gradients would wait for.
    """
    if x.shape[1] == 1 and not torch.is_grad_enabled():
        return first(x)
    return torch.cat([first(x[:, :1]), rest(x[:, 1:])], 1)
