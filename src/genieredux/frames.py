"""From bytes to numbers and back: the one place where uint8 pixels become floats in [0, 1] and floats become pixels.

At rest frames are uint8 with the channels last; in models they are float32 with the channels before height and width.
"""

import numpy as np
import torch
from torch import Tensor


def to_tensor(frames: np.ndarray) -> Tensor:
    """Frames uint8 (..., H, W, 3) as a uint8 tensor (..., 3, H, W), contiguous: for a device that scales it."""
    return torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, -3).contiguous()


def scaled(frames: Tensor) -> Tensor:
    """A uint8 tensor of any shape as float32 in [0, 1]; floats stay as they are."""
    return frames.float().div_(255) if frames.dtype == torch.uint8 else frames


def to_float(frames: np.ndarray) -> Tensor:
    """Frames uint8 (..., H, W, 3) as float32 (..., 3, H, W) in [0, 1], contiguous."""
    return scaled(to_tensor(frames))


def to_bytes(frames: Tensor) -> np.ndarray:
    """Frames (..., C, H, W), clamped to [0, 1], as uint8 (..., H, W, C), rounded to the nearest."""
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()
