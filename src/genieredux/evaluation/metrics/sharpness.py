"""Sharpness: the gradient energy of predicted frames beside the truth's. Blur loses it long before PSNR minds.

A frame's number is its gradient energy; means are ratios of sums, the energy of a row over the energy of the truth on
the same frames, so that 1 is as sharp as the truth and a flat true frame weighs nothing.
"""

from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import OfRows
from genieredux.evaluation.rows import TRUTH


class Sharpness(OfRows):
    """Rows: the predicted ones and `truth`."""

    about = About("sharpness", "Sharpness beside the truth", relative_to=TRUTH, also=(TRUTH,))
    keepable = True

    def compare(self, frames: Tensor, truth: Tensor) -> Tensor:
        """The energy of `frames` alone."""
        del truth
        return gradient_energy(frames)


def gradient_energy(frames: Tensor) -> Tensor:
    """Mean squared step to the pixel on the right plus that to the pixel below: (..., C, H, W) -> float32 (...)."""
    frames = frames.float()
    across = (frames[..., 1:] - frames[..., :-1]).square().mean((-3, -2, -1))
    return across + (frames[..., 1:, :] - frames[..., :-1, :]).square().mean((-3, -2, -1))
