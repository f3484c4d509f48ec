"""The records that models take and give. They know no file, no game and no trainer."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Batch:
    """What a model trains on. Fields that a model does not read may be None.

    frames: float32 (B, T, C, H, W) in [0, 1].
    tokens: int64 (B, T, h, w), ids in [0, codebook size).
    actions: int64 (B, T-1); `actions[:, k]` is taken at frame k and leads to frame k+1.
    """

    frames: Tensor | None = None
    tokens: Tensor | None = None
    actions: Tensor | None = None

    @property
    def clips(self) -> int:
        """B."""
        return next(len(field) for field in (self.frames, self.tokens, self.actions) if field is not None)


@dataclass
class Losses:
    """total: the scalar to differentiate. parts: detached scalars by name, for the log."""

    total: Tensor
    parts: dict[str, Tensor]
