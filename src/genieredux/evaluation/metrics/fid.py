"""FID (Heusel et al. 2017): the Fréchet distance of Inception's features of frames."""

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.config import RESIZES, NetworksConfig
from genieredux.evaluation.metrics.frechet import FrechetMetric
from genieredux.evaluation.metrics.metric import Setting, named_or_missing
from genieredux.evaluation.networks import inception
from genieredux.evaluation.networks.convolutions import exact_convolutions
from genieredux.evaluation.networks.files import cache_folder, load_state, read_tensors, sha256_of
from genieredux.evaluation.networks.inception import FEATURES, INPUT_SIZE, InceptionV3

_MICRO_BATCH = 16


class Fid(FrechetMetric):
    """Of all frames together, and of each horizon."""

    about = About("FID", "FID", digits=1, better="lower", pooled=True, few_below=FEATURES)
    by_frame = True

    @classmethod
    def open(cls, setting: Setting) -> "Fid":
        """See Openable."""
        with named_or_missing("FID", setting.networks.fid_weights):
            return cls(*_open(setting.networks, setting.device), setting.cache)


class FrameFeatures:
    """InceptionV3 with its preprocessing.

    network_id: hash of the weights. resize: how frames come to 299x299; `bilinear` is TensorFlow 1's, on which the
    network's statistics rest and which torch-fidelity follows; `nearest` is what the published GenieRedux code did.
    """

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


def find_inception() -> Path | None:
    """The Inception file in the user's cache or among torch hub's downloads, by its name; None where there is none."""
    hub = Path(os.environ.get("TORCH_HOME") or Path.home() / ".cache" / "torch")
    for folder in (cache_folder(), hub / "hub" / "checkpoints"):
        for name in inception.WEIGHTS_NAMES:
            if (folder / name).is_file():
                return folder / name
    return None


def _open(config: NetworksConfig, device: str) -> tuple[FrameFeatures, str]:
    path = Path(config.fid_weights) if config.fid_weights else find_inception()
    if path is None:
        raise UserError(
            f"its Inception weights are not here; put {inception.WEIGHTS_NAMES[0]} (the file of pytorch-fid and "
            f"torch-fidelity) into {cache_folder()}, or name it with fid_weights=FILE"
        )
    digest = sha256_of(path)
    if not digest.startswith(inception.WEIGHTS_SHA256_PREFIX) and not config.fid_trust:
        raise UserError(
            f"{path}: SHA-256 begins {digest[:8]}, that of {inception.WEIGHTS_NAMES[0]} begins "
            f"{inception.WEIGHTS_SHA256_PREFIX}; its FID would compare with nobody's. Give that file, "
            "or fid_trust=true to take this one all the same"
        )
    network = InceptionV3()
    load_state(network, inception.inception_state(read_tensors(path), str(path)), str(path))
    return FrameFeatures(network, digest[:16], config.fid_resize, device), str(path)
