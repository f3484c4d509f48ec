"""What every tokenizer's settings have: the image, its patches, the codebook."""

from dataclasses import dataclass
from typing import Literal

from genieredux.errors import UserError
from genieredux.nn.quantize import FiniteScalarQuantize, VectorQuantize, VectorQuantizeConfig


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Common settings. One token per patch_size x patch_size pixels."""

    image_size: int = 64
    """Side of the square frames in pixels."""
    patch_size: int = 4
    """Side of a token in pixels; it divides image_size."""
    channels: int = 3
    """Of the frames."""
    quantizer: Literal["gradient", "ema", "fsq"] = "ema"
    """gradient: the published rule. ema: moving averages with revival. fsq: a fixed grid of fsq_levels."""
    codebook_size: int = 1024
    """Different tokens."""
    codebook_dim: int = 32
    """Values of a code."""
    commitment: float = 0.25
    """Weight of the loss that pulls vectors to their codes."""
    fsq_levels: tuple[int, ...] = (8, 5, 5, 5)
    """Steps of each value of the fixed grid; their product is the number of tokens."""
    vq_weight: float = 1.0
    """Weight of the quantiser's loss beside the mean squared error of the pixels."""

    def __post_init__(self) -> None:
        """Raises UserError for an image that no patch divides, or an unknown quantiser."""
        if self.patch_size < 1 or self.image_size % self.patch_size:
            fits = [p for p in range(1, self.image_size + 1) if self.image_size % p == 0]
            nearest = min(fits, key=lambda p: (abs(p - self.patch_size), p))
            raise UserError(
                f"tokenizer: image size {self.image_size} is not divisible by patch size {self.patch_size};"
                f" set tokenizer.patch_size={nearest}, or an image size that is a multiple of {self.patch_size}"
            )
        if self.quantizer not in ("gradient", "ema", "fsq"):
            raise UserError(f"tokenizer.quantizer must be gradient, ema or fsq, got {self.quantizer!r}")

    @property
    def side(self) -> int:
        """Tokens per side of a frame."""
        return self.image_size // self.patch_size

    @property
    def patch_values(self) -> int:
        """Numbers in a patch."""
        return self.channels * self.patch_size**2

    def make_quantizer(self, width: int) -> VectorQuantize | FiniteScalarQuantize:
        """The quantiser of vectors of `width` values."""
        if self.quantizer == "fsq":
            return FiniteScalarQuantize(width, tuple(self.fsq_levels))
        return VectorQuantize(
            width,
            VectorQuantizeConfig(
                codebook_size=self.codebook_size,
                codebook_dim=self.codebook_dim,
                rule=self.quantizer,
                commitment=self.commitment,
            ),
        )
