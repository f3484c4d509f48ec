"""What can be read off a dream without a truth: how much it changes, which way it scrolls, how far it is from another.

Measured of steered dreams; in no table, for beside a truth they say nothing.
"""

import itertools

import cv2
import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Openable
from genieredux.evaluation.rows import MODEL
from genieredux.evaluation.subjects.drawn import Drawn
from genieredux.frames import capped, psnr, to_bytes


class Change(Openable):
    """Mean absolute step of a grey pixel from frame to frame, 0..255."""

    about = About("change", "Change", digits=1)

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        return {row: torch.from_numpy(np.stack([change(of) for of in _grey(drawn, row)])) for row in drawn.predicted}


class Scroll(Openable):
    """Shift of the picture in pixels a frame. Rows: `right`, `down`."""

    about = About("scroll", "Scroll", "px", 2, signed=True)

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        shifts = torch.from_numpy(np.stack([scroll(of) for of in _grey(drawn, drawn.predicted[0])]))
        return {"right": shifts[..., 0], "down": shifts[..., 1]}


class Apart(Openable):
    """PSNR of a dream to the one under the true actions, in dB."""

    about = About("psnr_to_true_actions", "PSNR to the dream under the true actions", "dB", 2)

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        return {row: capped(psnr(drawn.frames(row), drawn.frames(MODEL))) for row in drawn.predicted}


def change(grey: np.ndarray) -> np.ndarray:
    """grey: float32 (T, H, W) -> (T-1,)."""
    steps: np.ndarray = np.abs(np.diff(grey, axis=0)).mean((1, 2))
    return steps


def scroll(grey: np.ndarray) -> np.ndarray:
    """grey: float32 (T, H, W) -> float64 (T-1, 2), right and down positive, by phase correlation (Kuglin and Hines
    1975).
    """
    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    # It applies the window to what it is given, in place: hence copies.
    return np.array([cv2.phaseCorrelate(a.copy(), b.copy(), window)[0] for a, b in itertools.pairwise(grey)])


def _grey(drawn: Drawn, row: str) -> np.ndarray:
    """The prompt's last frame and the row's, as 8-bit levels: float32 (B, N + 1, H, W)."""
    frames = to_bytes(torch.cat([drawn.prompt[:, -1:], drawn.frames(row)], 1))
    grey: np.ndarray = frames.astype(np.float32).mean(-1)
    return grey
