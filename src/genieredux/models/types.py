"""The records that models take and give. They know no file, no game and no trainer."""

from dataclasses import dataclass

import torch
from torch import Tensor

from genieredux.frames import scaled


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

    def first(self, clips: int) -> "Batch":
        """Of the first clips alone."""
        return Batch(*(None if field is None else field[:clips] for field in (self.frames, self.tokens, self.actions)))

    def to(self, device: torch.device) -> "Batch":
        """On `device`; frames of bytes (0..255) become float32 in [0, 1] there."""

        def move(field: Tensor | None) -> Tensor | None:
            if field is None or field.device == device:
                return field
            return field.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else field.to(device)

        frames = move(self.frames)
        return Batch(frames if frames is None else scaled(frames), move(self.tokens), move(self.actions))


@dataclass
class Losses:
    """total: the scalar to differentiate. parts: detached scalars by name, for the log."""

    total: Tensor
    parts: dict[str, Tensor]
