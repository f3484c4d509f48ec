"""ST-ViViT: a video tokenizer of space-time blocks, causal in time, so the tokens of a prefix are those of
the whole.

Encoder and decoder are those of st_video.py; here are the codebook between them and the loss. Knows batches of
frames; no game, file or trainer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.tokenizers.decoder_part import WithDecoder
from genieredux.models.tokenizers.stream import Causal, Direction
from genieredux.models.tokenizers.video import STVideo, STVideoConfig, first_and_rest
from genieredux.models.types import Batch, Losses
from genieredux.nn.cache import Cache
from genieredux.settings import Frames


@dataclass(frozen=True, kw_only=True)
class STViViTConfig(STVideoConfig):
    """Settings of the ST-ViViT tokenizer. The defaults are the published model (101.6 M parameters at 64x64).

    The ones you will want to change: patch_size, dim, blocks, codebook_size, and the light settings that
    STVideoConfig names, with quantizer="ema".
    """

    architecture: Literal["st_vivit"] = "st_vivit"
    """Space-time transformer of the papers: tokens of a frame depend on the frames before."""
    quantizer: Literal["gradient", "ema", "fsq"] = "gradient"
    """gradient: the published rule. ema: moving averages with revival. fsq: a fixed grid of fsq_levels."""
    clip_frames: Frames = 16
    """Frames of a training clip: no frame of a longer one is encoded or decoded as a later one than that."""


class STViViT(WithDecoder, STVideo):
    """Frames to tokens and back."""

    kind = "tokenizer"
    settings = STViViTConfig
    framewise = False
    config: STViViTConfig

    def __init__(self, config: STViViTConfig | None = None) -> None:
        config = STViViTConfig() if config is None else config
        super().__init__(config)
        self.quantizer = config.make_quantizer(config.dim)

    def decoder_modules(self) -> list[nn.Module]:
        return [self.decoder, self.pixels_first, self.pixels_rest, self.quantizer.project_out]

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
        quantised = self.quantizer(self.encode_patches(batch.frames, bias), generator)
        decoded = self.decode_patches(quantised.vectors, bias)
        # Compared as patches: the mean is the same, and no frames need to be put together.
        error = F.mse_loss(decoded.float(), self.patches(batch.frames).float())
        total = error + self.config.vq_weight * quantised.loss
        parts = {"reconstruction": error, "quantizer": quantised.loss, "perplexity": quantised.perplexity}
        return Losses(total, {name: part.detach() for name, part in parts.items()})

    def token_vectors(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (...) to what the decoder reads, float (..., dim)."""
        return self.quantizer.codes(tokens)

    def new_stream(self) -> Causal:
        """Clips without end, of which no frame is run as a later one than config.clip_frames."""
        length = self.config.clip_frames
        return Causal(
            Direction(self._encode_on, self.encoder.new_cache, length),
            Direction(self._decode_on, self.decoder.new_cache, length),
        )

    def _encode_on(self, x: Tensor, cache: Cache, *, first: bool, keep: bool) -> Tensor:
        """Frames (B, T, C, H, W) to tokens (stream.Run)."""
        patches = self.patches(x)
        embedded = first_and_rest(self.embed_first, self.embed_rest, patches) if first else self.embed_rest(patches)
        bias = self.position(*self.grid)
        return self.quantizer.encode(self.encoder(embedded, cache=cache, keep=keep, spatial_bias=bias))

    def _decode_on(self, x: Tensor, cache: Cache, *, first: bool, keep: bool) -> Tensor:
        """Tokens (B, T, h, w) to frames (stream.Run)."""
        vectors = self.token_vectors(x)
        decoded = self.decoder(vectors, cache=cache, keep=keep, spatial_bias=self.position(*self.grid))
        patches = first_and_rest(self.pixels_first, self.pixels_rest, decoded) if first else self.pixels_rest(decoded)
        return self.frames(patches).float().clamp(0, 1)

    @torch.no_grad()
    def encode(self, frames: Tensor) -> Tensor:
        """Frames float (B, T, C, H, W) in [0, 1], frame 0 first of its clip, to tokens int64 (B, T, h, w)."""
        return self.quantizer.encode(self.encode_features(frames))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames float32 (B, T, C, H, W) in [0, 1]."""
        return self.decode_vectors(self.quantizer.codes(tokens)).float().clamp(0, 1)
