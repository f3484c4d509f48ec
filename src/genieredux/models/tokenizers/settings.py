"""What every tokenizer's settings have: the image, its patches, the codebook."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from genieredux.errors import UserError
from genieredux.nn.quantize import FiniteScalarQuantize, VectorQuantize, VectorQuantizeConfig
from genieredux.settings import Codes, Range, Settings, Weight, Width

MAX_CODES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings(Settings):
    """Common settings. One token per patch_size x patch_size pixels."""

    where: ClassVar[str] = "tokenizer"

    image_size: Annotated[int, Range(1, 1024)] = 64
    """Pixels of a side."""
    patch_size: Annotated[int, Range(1, 256)] = 4
    """Pixels of a token's side."""
    channels: Annotated[int, Range(1, 16)] = 3
    """Colours."""
    quantizer: Literal["gradient", "ema", "fsq"] = "ema"
    """gradient: the published rule. ema: moving averages with revival. fsq: a fixed grid of fsq_levels."""
    codebook_size: Codes = 1024
    """How many tokens there are to choose from."""
    codebook_dim: Width = 32
    """Values of a code's vector."""
    commitment: Weight = 0.25
    """Weight of the loss that pulls what is quantised to its codes."""
    fsq_levels: tuple[Annotated[int, Range(2, 1 << 16)], ...] = (8, 5, 5, 5)
    """Values of each channel of a fixed grid; their product is the number of codes."""
    vq_weight: Weight = 1.0
    """Weight of the quantiser's loss beside the mean squared error of the pixels."""

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range, an image that no patch divides, or too fine a grid."""
        super().__post_init__()
        if self.image_size % self.patch_size:
            fits = [p for p in range(1, self.image_size + 1) if self.image_size % p == 0]
            nearest = min(fits, key=lambda p: (abs(p - self.patch_size), p))
            raise UserError(
                f"{self.where}: image size {self.image_size} is not divisible by patch size {self.patch_size};"
                f" set {self.where}.patch_size={nearest}, or an image size that is a multiple of {self.patch_size}"
            )
        if not self.fsq_levels or math.prod(self.fsq_levels) > MAX_CODES:
            raise UserError(
                f"{self.where}.fsq_levels is {list(self.fsq_levels)}: that is {math.prod(self.fsq_levels)} codes of "
                f"{len(self.fsq_levels)} channels; give at least one channel and {MAX_CODES} codes at the most"
            )

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
