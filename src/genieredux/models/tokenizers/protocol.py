"""What a tokenizer is to everything that uses one. The contract only: no network, no file.

Two ways in. Whole clips, each beginning with its first frame: `encode`, `decode`, as training uses them. And clips that
go on for ever: `new_stream()`, as rollouts and dreams use them. What a frame's tokens are, and how tokens are drawn,
may depend on the frames before and on the actions between: a stream holds what is needed of them, and no more.

Shapes: B clips, T frames, (h, w) tokens of a frame, K codes. Frames are float32 (B, T, C, H, W) in [0, 1].
"""

from typing import Any, Protocol

from torch import Tensor


class Stream(Protocol):
    """What B clips have shown so far, as encoding and decoding need it; bounded in memory.

    actions: int64 (B, T), for each frame the one that led to it, -1 where there was none (a clip's first frame). None
    where they are not known; a tokenizer that needs them raises UserError.
    """

    def encode(self, frames: Tensor, actions: Tensor | None = None) -> Tensor:
        """The next T frames, as they truly were: their tokens int64 (B, T, h, w). They become the past."""
        ...

    def decode(self, tokens: Tensor, actions: Tensor | None = None, keep: bool = True) -> Tensor:
        """The next T frames by their tokens (B, T, h, w), drawn (B, T, C, H, W). They become the past if `keep`."""
        ...

    def put(self, rows: Tensor, other: Any) -> None:
        """The past of `rows` (int64 (R,)) becomes that of `other`, a stream of R equally long clips of this tokenizer.
        The other clips keep theirs, bit for bit."""
        ...


class Tokenizer(Protocol):
    """What turns frames into tokens and back."""

    @property
    def config(self) -> Any:
        """A dataclass of plain values, `image_size` among them."""
        ...

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), the tokens of a frame."""
        ...

    @property
    def framewise(self) -> bool:
        """Whether a frame's tokens, and what they are drawn as, depend on nothing but that frame."""
        ...

    def code_vectors(self) -> Tensor:
        """float32 (K, D): the vector of every token."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Frames (B, T, C, H, W) to tokens int64 (B, T, h, w)."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (B, T, h, w) to frames (B, T, C, H, W)."""
        ...

    def token_vectors(self, tokens: Tensor) -> Tensor:
        """Tokens int64 (...) to what the decoder reads of them, float (..., dim)."""
        ...

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """What the decoder reads, (B, T, h, w, dim), to frames (B, T, C, H, W), differentiable and not clamped."""
        ...

    def new_stream(self) -> Stream:
        """The beginning of clips that go on for ever."""
        ...
