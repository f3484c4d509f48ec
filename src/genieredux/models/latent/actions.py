"""Latent action models: what was done between two frames, as one of a few codes, learned without labels.

An encoder sees frames 0..t+1 and names transition t with a code; a decoder that sees frames 0..t and that code must
draw frame t+1. With a handful of codes only what the past cannot say fits through: the action (Genie, section 2.1;
GenieRedux, P24 section 3). Codes are no button indices: action_mapping.py finds which action each stands for.

Three bodies: `st_vivit` is the papers'; `conv` learns within minutes on a CPU; `motion` (motion.py) reads no pixel, but
how the picture moved. Knows frames; no token of a
tokenizer, no game, no file, no trainer.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.tokenizers.conv import ResidualConv
from genieredux.models.tokenizers.settings import TokenizerSettings
from genieredux.models.tokenizers.video import STVideo, STVideoConfig
from genieredux.models.types import Batch, Losses
from genieredux.nn.categorical import CategoricalQuantize
from genieredux.nn.quantize import Quantised, Quantizer
from genieredux.settings import Codes, Depth, Range, Weight, Width


@dataclass(frozen=True, kw_only=True)
class LatentActionSettings(TokenizerSettings):
    """What both bodies have."""

    where: ClassVar[str] = "lam"

    codebook: Literal["categorical", "nearest"] = "nearest"
    """nearest: the papers' vector quantisation by the rule `quantizer`: "ema" (moving averages, dead codes revived)
    found codes that control in every run of docs/results.md's study, "gradient" is the published rule, which collapsed
    there. categorical: codes drawn by Gumbel-softmax."""
    codebook_size: Codes = 7
    """How many latent actions there are."""
    balance: Weight = 0.005
    """Of a categorical codebook: weight of the loss that wants all codes used."""


@dataclass(frozen=True, kw_only=True)
class STLatentActionConfig(LatentActionSettings, STVideoConfig):
    """The papers' model: ST-ViViT with 7 codes (169 M parameters at patch 4; Genie takes patch 16 and 8 codes)."""

    architecture: Literal["st_vivit"] = "st_vivit"
    """Space-time transformer of the papers."""


@dataclass(frozen=True, kw_only=True)
class ConvLatentActionConfig(LatentActionSettings):
    """A light model. The ones you will want to change: codebook_size, width."""

    architecture: Literal["conv"] = "conv"
    """Two frames at a time, by convolutions."""
    codebook_dim: Width = 8
    """Values of a code."""
    dim: Width = 128
    """Length of an action's vector."""
    width: Width = 64
    """Channels at one place per patch, in encoder and decoder."""
    decoder_blocks: Depth = 3
    """Residual blocks of the decoder, each modulated by the action."""


@dataclass(frozen=True, kw_only=True)
class MotionLatentActionConfig(LatentActionSettings):
    """A model of motions alone. The one you will want to change: codebook_size."""

    architecture: Literal["motion"] = "motion"
    """How the picture moved, and no pixel."""
    codebook_dim: Width = 8
    """Values of a code."""
    dim: Width = 64
    """Length of an action's vector."""
    width: Width = 128
    """Of the layers of encoder and decoder."""
    reach: Annotated[int, Range(2, 64)] = 8
    """The farthest motion between two frames that is looked for, in pixels."""


class LatentActionModel(nn.Module):
    """What both bodies share: the codebook, the loss, naming and drawing transitions."""

    kind = "latent_action_model"
    settings: type[LatentActionSettings]

    def __init__(self, config: STLatentActionConfig | ConvLatentActionConfig | MotionLatentActionConfig) -> None:
        super().__init__()
        self.config = config
        self.quantizer: Quantizer = (
            CategoricalQuantize(config.dim, config.codebook_size, config.balance)
            if config.codebook == "categorical"
            else config.make_quantizer(config.dim)
        )

    @property
    def num_codes(self) -> int:
        """How many latent actions there are."""
        return self.quantizer.codebook_size

    @property
    def code_names(self) -> tuple[str, ...]:
        """What the codes are called, for they mean nothing by themselves."""
        return tuple(f"LATENT_{k}" for k in range(self.num_codes))

    def features(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) to what the codebook reads of each transition, (B, T-1, dim)."""
        raise NotImplementedError

    def draw(self, frames: Tensor, vectors: Tensor) -> Tensor:
        """Frames 0..T-2 (B, T-1, C, H, W) and an action vector each (B, T-1, dim): frames 1..T-1, not clamped."""
        raise NotImplementedError

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """batch.frames: float (B, T, C, H, W) in [0, 1], T >= 2; see `losses`."""
        if batch.frames is None:
            raise ValueError("a latent action model trains on frames, and this batch has none")
        return self.losses(batch.frames, self.quantise(batch.frames, generator))

    def losses(self, frames: Tensor, quantised: Quantised) -> Losses:
        """Mean squared error of frames 1..T-1 and the codebook's loss, of transitions already quantised.

        parts: reconstruction, quantizer, perplexity (1..num_codes; near 1 the codes have collapsed), psnr, and in
        evaluation mode `control`: by how many dB the drawing gets worse with the codes of another clip.
        """
        drawn = self.draw(frames[:, :-1], quantised.vectors).float()
        error = F.mse_loss(drawn, frames[:, 1:])
        parts = {
            "reconstruction": error,
            "quantizer": quantised.loss,
            "perplexity": quantised.perplexity,
            "psnr": -10 * error.log10(),
        }
        if not self.training:
            other = self.draw(frames[:, :-1], quantised.vectors.roll(1, 0).flip(1)).float()
            parts["control"] = 10 * (F.mse_loss(other, frames[:, 1:]) / error).log10()
        total = error + self.config.vq_weight * quantised.loss
        return Losses(total, {name: part.detach() for name, part in parts.items()})

    def quantise(self, frames: Tensor, generator: torch.Generator | None = None) -> Quantised:
        """Frames (B, T, C, H, W) to the codes of T-1 transitions: vectors (B, T-1, dim), ids (B, T-1)."""
        return self.quantizer(self.features(frames), generator)

    @torch.no_grad()
    def actions(self, frames: Tensor) -> Tensor:
        """Frames float (B, T, C, H, W) in [0, 1] to latent actions int64 (B, T-1)."""
        return self.quantizer.encode(self.features(frames))

    def vectors(self, ids: Tensor) -> Tensor:
        """Latent actions int64 (...) to the vectors (..., dim) that the decoder and a dynamics read."""
        return self.quantizer.codes(ids)

    def reconstruct(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """Frames 1..T-1, each drawn from the true ones before it: (B, T-1, C, H, W) in [0, 1].

        frames: (B, T, C, H, W). actions: int64 (B, T-1); None: what `actions(frames)` says.
        """
        ids = self.actions(frames) if actions is None else actions
        return self.draw(frames[:, :-1], self.vectors(ids)).float().clamp(0, 1)


class STLatentActions(LatentActionModel):
    """The papers' body: all tokens of frame t+1, encoded causally, become one vector; the decoder reads the
    patches of frame t plus that vector at every place.
    """

    settings = STLatentActionConfig

    def __init__(self, config: STLatentActionConfig | None = None) -> None:
        config = STLatentActionConfig() if config is None else config
        super().__init__(config)
        self.video = STVideo(config)
        self.to_action = nn.Sequential(
            nn.Linear(math.prod(self.video.grid) * config.dim, config.dim), nn.LayerNorm(config.dim)
        )

    def features(self, frames: Tensor) -> Tensor:
        return self.to_action(self.video.encode_features(frames)[:, 1:].flatten(2))

    def draw(self, frames: Tensor, vectors: Tensor) -> Tensor:
        return self.video.decode_vectors(self.video.embed(frames) + vectors[:, :, None, None])


class ConvLatentActions(LatentActionModel):
    """A light body: three frames name the transition, two frames and its vector draw the next as a change of the
    last.
    """

    settings = ConvLatentActionConfig

    def __init__(self, config: ConvLatentActionConfig | None = None) -> None:
        config = ConvLatentActionConfig() if config is None else config
        super().__init__(config)
        width, values = config.width, config.patch_values
        self.fold = nn.PixelUnshuffle(config.patch_size)
        self.encoder = nn.Sequential(
            nn.Conv2d(3 * values, width, 3, padding=1),
            ResidualConv(width),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            ResidualConv(width),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.GroupNorm(1, width),
        )
        self.to_action = nn.Sequential(nn.Linear(2 * width, config.dim), nn.LayerNorm(config.dim))
        self.see = nn.Conv2d(2 * values, width, 3, padding=1)
        self.modulations = nn.ModuleList(nn.Linear(config.dim, 2 * width) for _ in range(config.decoder_blocks))
        self.blocks = nn.ModuleList(ResidualConv(width) for _ in range(config.decoder_blocks))
        self.paint = nn.Sequential(nn.GroupNorm(1, width), nn.Conv2d(width, values, 3, padding=1))
        self.unfold = nn.PixelShuffle(config.patch_size)
        nn.init.zeros_(self.paint[1].weight)  # type: ignore[arg-type]

    def features(self, frames: Tensor) -> Tensor:
        before, now, after = self._before(frames[:, :-1]), frames[:, :-1], frames[:, 1:]
        seen = torch.cat([before - now, now, after - now], 2).flatten(0, 1)
        x = self.encoder(self.fold(seen))
        pooled = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)  # what moved matters, not where it was
        return self.to_action(pooled).unflatten(0, now.shape[:2])

    def draw(self, frames: Tensor, vectors: Tensor) -> Tensor:
        seen = torch.cat([self._before(frames) - frames, frames], 2).flatten(0, 1)
        x = self.see(self.fold(seen))
        for modulate, block in zip(self.modulations, self.blocks, strict=True):
            gain, shift = modulate(vectors.flatten(0, 1))[:, :, None, None].chunk(2, 1)
            x = block(x * (1 + gain) + shift)
        return frames + self.unfold(self.paint(x)).unflatten(0, frames.shape[:2])

    def _before(self, frames: Tensor) -> Tensor:
        """The frame before each; before the first, itself."""
        return torch.cat([frames[:, :1], frames[:, :-1]], 1)
