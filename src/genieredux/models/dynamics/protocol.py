"""What a world model asks of its dynamics, whichever way that one is built: to take in frames, and to say what
follows.

The contract only. `history_refiner.py` and `maskgit.py` satisfy it.

Shapes: B clips, T frames, (h, w) tokens of a frame, K codes. Actions are int64 (B, T), one per frame and taken at it;
a dynamics that is conditioned on vectors takes float (B, T, C) instead.
"""

from typing import Any, Protocol

from torch import Tensor

METHODS = ("autoregressive", "one_go")
"""autoregressive: frames are decided a few at a time, and then are the past of the next. one_go: all together."""


class Memory(Protocol):
    """The past of B clips, bounded by a window for ever."""

    def put(self, rows: Tensor, other: Any, clips: int) -> None:
        """The past of `rows` (int64 (R,)) of the B = `clips` becomes that of `other`, a memory of the same dynamics
        whose R clips are equally long. The other clips keep theirs, bit for bit."""
        ...


class DynamicsModel(Protocol):
    """Tokens and actions so far to the tokens that follow."""

    @property
    def config(self) -> Any:
        """A dataclass of plain values, `window` (frames of attention) among them."""
        ...

    @property
    def grid(self) -> tuple[int, int]:
        """(h, w), the tokens of a frame."""
        ...

    @property
    def num_actions(self) -> int:
        """How many actions there are."""
        ...

    @property
    def mask_id(self) -> int:
        """The id of a hidden token: K."""
        ...

    @property
    def codes(self) -> Tensor:
        """float32 (K, D): the vector of every code."""
        ...

    @property
    def supports(self) -> frozenset[str]:
        """Which METHODS the training prepares this model for. Without "one_go" it decides one frame at a time."""
        ...

    def new_memory(self, window: int | None = None) -> Memory:
        """An empty past that remembers `window` frames (None: as many as in training)."""
        ...

    def remember(self, tokens: Tensor, actions: Tensor, memory: Any) -> None:
        """Take in known frames (B, T, h, w) and the actions taken at them (B, T)."""
        ...

    def observe(self, tokens: Tensor, actions: Tensor, memory: Any) -> Any:
        """`remember`, and the outlook on what follows.

        The outlook holds until the next call of `observe` with the same memory.
        """
        ...

    def predict(self, outlook: Any, target: Tensor, actions: Tensor) -> Tensor:
        """Logits (B, d, h, w, K) of the next d frames, whose tokens so far are target (B, d, h, w), hidden ones K.

        actions: (B, d - 1), taken at these frames but the last. Changes no memory.
        """
        ...
