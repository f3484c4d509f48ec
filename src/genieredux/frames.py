"""From bytes to numbers and back: the one place where uint8 pixels become floats in [0, 1] and floats become pixels;
and how far apart two frames are.

At rest frames are uint8 with the channels last; in models they are float32 with the channels before height and width.
"""

import numpy as np
import torch
from torch import Tensor

# A frame that is right to the last bit has an infinite PSNR, which no mean survives. 60 dB is just above the
# error of rounding to 8 bits (1/255^2/12, 58.9 dB): past it there is nothing left to measure.
PSNR_CAP_DB = 60.0


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


def psnr(predicted: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of every frame, in dB: 20 log10(1 / sqrt(MSE)) over channels and pixels.

    predicted, truth: (..., C, H, W) in [0, 1] -> float32 (...); +inf where the frames are identical.
    """
    if predicted.shape != truth.shape or predicted.dim() < 3:
        raise ValueError(f"frames must agree as (..., C, H, W): got {predicted.shape} and {truth.shape}")
    mse = (predicted.float() - truth.float()).square().mean(dim=(-3, -2, -1))
    return -10 * torch.log10(mse)


def capped(decibel: Tensor) -> Tensor:
    """PSNR with infinity (and anything above) replaced by `PSNR_CAP_DB`, so that it can be averaged."""
    return decibel.clamp(max=PSNR_CAP_DB)


def mean_psnr(predicted: Tensor, truth: Tensor) -> float:
    """The mean of the frames' capped PSNR, in dB."""
    mse = (predicted.float() - truth.float()).square().mean(dim=(-3, -2, -1))
    return float(-10 * mse.clamp_min(10 ** (-PSNR_CAP_DB / 10)).log10().mean())
