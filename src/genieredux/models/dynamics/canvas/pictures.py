"""Where a clip stands: what its next frame is painted from."""

from dataclasses import dataclass

from torch import Tensor

from genieredux.models.dynamics.canvas.sheet import Canvas


@dataclass
class Pictures:
    """What the painter goes on from: the last two frames (B, 3, H, W), the canvas, the last motion (B, 2),
    and the vector (B, A) of the action that led to the last frame, 0 where none did."""

    last: Tensor
    before: Tensor
    canvas: Canvas
    motion: Tensor
    action: Tensor

    def clone(self) -> "Pictures":
        """Another, equal and independent."""
        return Pictures(self.last, self.before, self.canvas.clone(), self.motion, self.action)

    def put(self, rows: Tensor, other: "Pictures") -> None:
        """The clips `rows` (int64 (R,)) become those of `other`."""
        self.last = self.last.index_copy(0, rows, other.last)
        self.before = self.before.index_copy(0, rows, other.before)
        self.motion = self.motion.index_copy(0, rows, other.motion)
        self.action = self.action.index_copy(0, rows, other.action)
        self.canvas.put(rows, other.canvas)
