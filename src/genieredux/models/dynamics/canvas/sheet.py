"""The canvas: everything that a clip has shown, laid at its place; the picture is a window in its middle.

When the picture moves the canvas rolls by whole pixels and keeps the rest as a fraction, so that what is read was
resampled twice (when it was written, when it is read) however long ago it was seen. Or not at all, where it keeps whole
pixels: then the rest is remembered until it is one. Nothing here is learned.
"""

from dataclasses import dataclass
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor

_A = -0.75
"""Of cubic convolution (Keys 1981)."""
KNOWN = 0.98
"""A pixel counts as known where at least so much of what it is made of is."""
CHANGED = 0.1
"""A known pixel is written again where a channel differs by more."""


@dataclass
class Canvas:
    """Of B clips. margin: pixels on each side of the picture. whole: nothing is laid or read between pixels.

    colours: float32 (B, 3, S, S), 0 where nothing is known. known: (B, 1, S, S), 0 or 1. offset: (B, 2), how far the
    picture lies from the canvas' middle, (down, right) in [-0.5, 0.5] pixels.
    """

    colours: Tensor
    known: Tensor
    offset: Tensor
    margin: int
    whole: bool = False

    @classmethod
    def of(cls, frames: Tensor, margin: int, whole: bool = False) -> "Canvas":
        """What the first frames (B, 3, H, W) show."""
        around = (margin,) * 4
        known = F.pad(torch.ones_like(frames[:, :1]), around)
        return cls(F.pad(frames, around), known, frames.new_zeros(len(frames), 2), margin, whole)

    @property
    def size(self) -> int:
        """H = W of the picture."""
        return self.colours.shape[-1] - 2 * self.margin

    def clone(self) -> "Canvas":
        """Another, equal and independent."""
        return Canvas(self.colours.clone(), self.known.clone(), self.offset.clone(), self.margin, self.whole)

    def move(self, shift: Tensor) -> None:
        """The picture's content moves by `shift` (B, 2), (down, right) in pixels: the window moves the other way."""
        target = self.offset - shift
        whole = target.round()
        self.offset = target - whole
        steps = whole.long().tolist()
        if any(down or right for down, right in steps):
            both = torch.cat([self.colours, self.known], 1)
            rolled = torch.stack([_rolled(clip, down, right) for clip, (down, right) in zip(both, steps, strict=True)])
            self.colours, self.known = rolled[:, :3], rolled[:, 3:]

    def view(self) -> tuple[Tensor, Tensor]:
        """The window: frames (B, 3, H, W) in [0, 1], and known (B, 1, H, W), 0 or 1. What is not known is 0."""
        if self.whole:
            return self.colours[self._middle], self.known[self._middle]
        read = _window(torch.cat([self.colours, self.known], 1), self.offset + self.margin, self.size)
        share = read[:, 3:]
        known = (share > KNOWN).to(read.dtype)
        return (read[:, :3] / share.clamp(min=0.5)).clamp(0, 1) * known, known

    def write(self, frames: Tensor, over: Tensor) -> None:
        """Lay frames (B, 3, H, W) where nothing is known, and where `over` (B, 1, H, W), 0 or 1, says so."""
        middle = self._middle
        laid, over, inside = (frames, over, 1.0) if self.whole else self._between(frames, over)
        put = ((self.known[middle] < 0.5) | (over > 0.5)) & (inside > 0.5)
        colours, known = self.colours.clone(), self.known.clone()
        colours[middle] = torch.where(put, laid.clamp(0, 1), colours[middle])
        known[middle] = torch.where(put, 1.0, known[middle])
        self.colours, self.known = colours, known

    @property
    def _middle(self) -> tuple[EllipsisType, slice, slice]:
        """Where the picture lies."""
        inside = slice(self.margin, self.margin + self.size)
        return ..., inside, inside

    def _between(self, frames: Tensor, over: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frames and `over` resampled to the canvas' pixels, and which of these lie inside, (B, 1, H, W)."""
        both = F.pad(torch.cat([frames, over.to(frames.dtype)], 1), (2,) * 4, mode="replicate")
        laid = _window(both, 2 - self.offset, self.size)
        at = torch.arange(self.size, device=frames.device) - self.offset[:, :, None]
        inside = ((at >= 0) & (at <= self.size - 1)).to(frames.dtype)
        return laid[:, :3], laid[:, 3:], inside[:, None, 0, :, None] * inside[:, None, 1, None, :]

    def put(self, rows: Tensor, other: "Canvas") -> None:
        """The clips `rows` (int64 (R,)) become those of `other`."""
        self.colours, self.known, self.offset = (
            own.clone().index_copy_(0, rows, new)
            for own, new in (
                (self.colours, other.colours),
                (self.known, other.known),
                (self.offset, other.offset),
            )
        )


def differ(frames: Tensor, other: Tensor) -> Tensor:
    """Where two batches of pictures (B, 3, H, W) differ by more than CHANGED: (B, 1, H, W), 0 or 1."""
    return ((frames - other).abs().amax(1, keepdim=True) > CHANGED).to(frames.dtype)


def _rolled(clip: Tensor, down: int, right: int) -> Tensor:
    """Row r of the result is row r + down of `clip` (C, S, S), 0 where there is none."""
    size = clip.shape[-1]
    down, right = max(-size, min(size, down)), max(-size, min(size, right))
    result = torch.zeros_like(clip)
    to_y, from_y = slice(max(0, -down), size - max(0, down)), slice(max(0, down), size - max(0, -down))
    to_x, from_x = slice(max(0, -right), size - max(0, right)), slice(max(0, right), size - max(0, -right))
    result[:, to_y, to_x] = clip[:, from_y, from_x]
    return result


def _window(pictures: Tensor, corner: Tensor, size: int) -> Tensor:
    """Squares of `size` pixels out of pictures (B, C, S, S), whose upper left is at `corner` (B, 2), by cubic
    convolution; corner in [1, S - size - 2]."""
    whole = corner.floor()
    down, right = _taps(corner - whole).unbind(1)
    cut = torch.stack(
        [
            picture[:, top - 1 : top + size + 2, left - 1 : left + size + 2]
            for picture, (top, left) in zip(pictures, whole.long().tolist(), strict=True)
        ]
    )
    rows = sum(cut[:, :, k : k + size] * down[:, k, None, None, None] for k in range(4))
    assert isinstance(rows, Tensor)
    columns = sum(rows[..., k : k + size] * right[:, k, None, None, None] for k in range(4))
    assert isinstance(columns, Tensor)
    return columns


def _taps(fraction: Tensor) -> Tensor:
    """Weights (..., 4) of the pixels at -1, 0, 1, 2 for a point at `fraction` (...) in [0, 1)."""
    x = torch.stack([1 + fraction, fraction, 1 - fraction, 2 - fraction], -1)
    near = ((_A + 2) * x - (_A + 3)) * x * x + 1
    far = ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A
    return torch.where(x <= 1, near, far)
