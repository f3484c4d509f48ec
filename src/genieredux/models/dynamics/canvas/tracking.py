"""Where the pictures of a clip lie, to a fraction of a pixel, however many there are. Nothing here is learned.

The motion between two frames is known to a few tenths of a pixel and drawn to whole ones; over a hundred frames such
errors add up. So every frame is also held against an older one, the anchor, since which the motions must add up; only
when the picture has gone far from it, when it is old, or when the two do not agree, is there a new one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from genieredux.models.dynamics.canvas.registration import STILL, shifts_near

_TRUST = 1.0
"""In pixels: where anchor and last frame differ by more on where a picture lies, the last frame is believed."""
_FAR = 1 / 6
"""Of the picture's side: farther from it than this, an anchor shows too little of the picture."""
_OLD = 24
"""Frames for which an anchor is held on to: what moves by itself changes meanwhile."""
_JUMP = 0.5
"""In pixels: two frames that are alike lie alike, whatever an anchor says within this."""


@dataclass
class Track:
    """Of B clips. anchor: frames (B, 3, H, W). moved: (B, 2), by how much the content of the last picture has moved
    since, (down, right) in pixels. age: (B,), the anchor's, in frames."""

    anchor: Tensor
    moved: Tensor
    age: Tensor

    @classmethod
    def of(cls, frames: Tensor) -> "Track":
        """From frames (B, 3, H, W) on."""
        return cls(frames, frames.new_zeros(len(frames), 2), frames.new_zeros(len(frames)))

    def step(self, frames: Tensor, shift: Tensor) -> Tensor:
        """The motions (B, 2) that led to the next frames (B, 3, H, W).

        shift: (B, 2), what was found between the last frames and these alone. They may differ by _TRUST.
        """
        expected = self.moved + shift
        place = shifts_near(self.anchor, frames, expected)
        agreed = (place - expected).abs().amax(1) <= _TRUST
        motion = torch.where(agreed[:, None], place - self.moved, shift)
        alike = (shift == 0).all(1) & (motion.abs().amax(1) < _JUMP)
        motion = torch.where((motion.abs() < STILL) | alike[:, None], 0.0, motion)
        moved, age = self.moved + motion, self.age + 1
        anew = ~agreed | (moved.abs().amax(1) > _FAR * frames.shape[-1]) | (age >= _OLD)
        self.anchor = torch.where(anew[:, None, None, None], frames, self.anchor)
        self.moved = torch.where(anew[:, None], 0.0, moved)
        self.age = torch.where(anew, 0.0, age)
        return motion

    def put(self, rows: Tensor, other: "Track") -> None:
        """The clips `rows` (int64 (R,)) become those of `other`."""
        self.anchor = self.anchor.index_copy(0, rows, other.anchor)
        self.moved = self.moved.index_copy(0, rows, other.moved)
        self.age = self.age.index_copy(0, rows, other.age)
