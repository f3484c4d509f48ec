"""Frames to the features of which FID (Heusel et al. 2017) is the Fréchet distance. It knows no world and no file."""

import torch
import torch.nn.functional as F
from torch import Tensor

from genieredux.evaluation.networks.exact import exact_convolutions
from genieredux.evaluation.networks.inception import FEATURES, INPUT_SIZE, InceptionV3

RESIZES = ("bilinear", "nearest")
_MICRO_BATCH = 16


class FrameFeatures:
    """InceptionV3 with its preprocessing.

    network_id: hash of the weights. resize: how frames come to 299x299; `bilinear` is TensorFlow 1's, on which the
    network's statistics rest and which torch-fidelity follows; `nearest` is what the published GenieRedux code did.
    """

    dims = FEATURES

    def __init__(
        self, network: InceptionV3, network_id: str, resize: str = "bilinear", device: str | torch.device = "cpu"
    ) -> None:
        if resize not in RESIZES:
            raise ValueError(f"resize is {resize!r}, not one of {RESIZES}")
        self.id = f"fid-{network_id}-{resize}"
        self._resize = resize
        self._device = torch.device(device)
        self._network = network.to(self._device)
        torch.nn.utils.convert_conv2d_weight_memory_format(self._network, torch.channels_last)  # faster

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """frames: float (..., C, H, W) in [0, 1], rounded to 8 bits as a picture on disk is.

        Returns float32 (..., 2048) on the CPU.
        """
        pictures = frames.reshape(-1, *frames.shape[-3:])
        parts = [self._features(batch) for batch in pictures.split(_MICRO_BATCH)]
        return torch.cat(parts).view(*frames.shape[:-3], FEATURES)

    def _features(self, pictures: Tensor) -> Tensor:
        levels = (pictures.to(self._device, torch.float32).clamp(0, 1) * 255).round()
        if self._resize == "nearest":
            resized = F.interpolate(levels, size=(INPUT_SIZE, INPUT_SIZE), mode="nearest")
        else:
            resized = resize_like_tensorflow(levels, INPUT_SIZE)
        inputs = ((resized - 128) / 128).contiguous(memory_format=torch.channels_last)
        with exact_convolutions():
            return self._network(inputs).float().cpu()


def resize_like_tensorflow(pictures: Tensor, size: int) -> Tensor:
    """Bilinear as TensorFlow 1 did it: place i of the result lies at i * (H / size), with no half-pixel shift and no
    smoothing when shrinking. pictures: float32 (N, C, H, W) -> (N, C, size, size).
    """
    down, across = (_weights(length, size).to(pictures.device) for length in pictures.shape[-2:])
    return down @ pictures @ across.T


def _weights(length: int, size: int) -> Tensor:
    """The matrix (size, length) float32 that resizes one axis."""
    place = torch.arange(size, dtype=torch.float32) * torch.tensor(length / size, dtype=torch.float32)
    low = place.long().clamp(max=length - 1)
    share = (place - low).unsqueeze(1)
    matrix = torch.zeros(size, length)
    matrix.scatter_add_(1, low.unsqueeze(1), 1 - share)
    return matrix.scatter_add_(1, (low + 1).clamp(max=length - 1).unsqueeze(1), share)
