"""How alike two frames look to a network: ST-LPIPS, and LPIPS where its weights are. It knows no world and no file."""

import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.networks.exact import exact_convolutions
from genieredux.evaluation.networks.perceptual_net import MIN_SIZE, PerceptualNet

_MICRO_BATCH = 32


class PerceptualDistance:
    """A perceptual network and what its numbers are called. name: for titles; network_id: hash of the weights."""

    def __init__(self, network: PerceptualNet, name: str, network_id: str, device: str | torch.device = "cpu") -> None:
        self.name = name
        self.id = f"{name.lower()}-{network_id}"
        self._device = torch.device(device)
        self._network = network.to(self._device)

    @torch.inference_mode()
    def __call__(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """predicted, truth: float (..., C, H, W) in [0, 1] -> float32 (...) on the CPU; 0 where identical.

        Frames are compared at their own size. Raises UserError for frames under 32 pixels.
        """
        if predicted.shape != truth.shape or predicted.dim() < 3:
            raise ValueError(f"frames must agree as (..., C, H, W): got {predicted.shape} and {truth.shape}")
        if min(predicted.shape[-2:]) < MIN_SIZE:
            height, width = predicted.shape[-2:]
            raise UserError(f"{self.name} needs frames of {MIN_SIZE} pixels or more, these are {width}x{height}")
        pairs = (frames.reshape(-1, *frames.shape[-3:]).split(_MICRO_BATCH) for frames in (predicted, truth))
        with exact_convolutions():
            parts = [
                self._network(a.to(self._device, torch.float32), b.to(self._device, torch.float32)).cpu()
                for a, b in zip(*pairs, strict=True)
            ]
        return torch.cat(parts).view(predicted.shape[:-3])
