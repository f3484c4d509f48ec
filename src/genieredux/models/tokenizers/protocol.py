"""What a tokenizer is to everything that uses one. The contract only: no network, no file."""

from typing import Any, Protocol

from torch import Tensor


class Tokenizer(Protocol):
    """What turns frames into tokens and back.

    It may have an attribute `framewise`, true when the tokens of a frame depend on that frame alone.
    """

    @property
    def config(self) -> Any:
        """A dataclass of plain values, `image_size` among them."""
        ...

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), the tokens of a frame."""
        ...

    def code_vectors(self) -> Tensor:
        """float32 (codebook size, D): the vector of every token."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Frames float (B, T, C, H, W) in [0, 1] to tokens int64 (B, T, h, w)."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames (B, T, C, H, W) in [0, 1]."""
        ...
