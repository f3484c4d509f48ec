"""FVD (Unterthiner et al. 2018): the Fréchet distance of I3D's features of clips."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.frechet import FrechetMetric
from genieredux.evaluation.metrics.metric import Missing, Setting, named_or_missing
from genieredux.evaluation.networks import i3d
from genieredux.evaluation.networks.convert import convert_i3d, converted
from genieredux.evaluation.networks.convolutions import exact_convolutions
from genieredux.evaluation.networks.files import load_state, read_converted
from genieredux.evaluation.networks.i3d import CLASSES, I3D, MIN_FRAMES

_INPUT_SIZE = 224
_MICRO_BATCH = 2


class Fvd(FrechetMetric):
    """Of the predicted frames of each clip; the prompt is left out, for it would flatter."""

    about = About("FVD", "FVD", digits=1, better="lower", pooled=True, few_below=CLASSES)

    @classmethod
    def open(cls, setting: Setting) -> "Fvd":
        """See Openable."""
        frames = setting.config.horizon
        if frames < MIN_FRAMES:
            raise Missing(f"it needs {MIN_FRAMES} predicted frames or more, eval.horizon is {frames}")
        with named_or_missing("FVD", setting.networks.i3d_weights):
            return cls(*_open(setting), setting.cache)


class VideoFeatures:
    """I3D with its preprocessing: 224x224 by bilinear interpolation (half-pixel centres), values in [-1, 1], the 400
    logits before the softmax. network_id: hash of the weights.
    """

    def __init__(self, network: I3D, network_id: str, device: str | torch.device = "cpu") -> None:
        self.id = f"fvd-{network_id}"
        self._device = torch.device(device)
        self._network = network.to(self._device)
        torch.nn.utils.convert_conv3d_weight_memory_format(self._network, torch.channels_last_3d)  # faster

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Tensor:
        """clips: float (B, T, C, H, W) in [0, 1], rounded to 8 bits, T at least `MIN_FRAMES` -> float32 (B, 400), CPU.

        Raises UserError for clips too short for the network; none is padded or stretched, for that would be measured
        too.
        """
        if clips.shape[1] < MIN_FRAMES:
            raise UserError(f"FVD needs clips of {MIN_FRAMES} frames or more, these have {clips.shape[1]}")
        return torch.cat([self._features(batch) for batch in clips.split(_MICRO_BATCH)])

    def _features(self, clips: Tensor) -> Tensor:
        levels = (clips.to(self._device, torch.float32).clamp(0, 1) * 255).round() / 255
        size = (_INPUT_SIZE, _INPUT_SIZE)
        resized = F.interpolate(levels.flatten(0, 1), size=size, mode="bilinear", align_corners=False)
        with exact_convolutions():
            return self._network(2 * resized.view(*clips.shape[:3], *size) - 1).float().cpu()


def _open(setting: Setting) -> tuple[VideoFeatures, str]:
    if setting.networks.i3d_weights:
        path = Path(setting.networks.i3d_weights)
        tensors = read_converted(path, i3d.SOURCE)
    else:
        path, tensors = converted(i3d.SOURCE, convert_i3d)
    network = I3D()
    load_state(network, tensors, str(path))
    return VideoFeatures(network, i3d.SOURCE.sha256[:16], setting.device), str(path)
