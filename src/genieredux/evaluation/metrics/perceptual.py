"""How alike two frames look to a network: ST-LPIPS, and LPIPS where its weights are."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Missing, OfRows, Setting, named_or_missing
from genieredux.evaluation.networks import perceptual_net
from genieredux.evaluation.networks.convert import convert_st_lpips, converted
from genieredux.evaluation.networks.convolutions import exact_convolutions
from genieredux.evaluation.networks.files import load_state, read_converted, read_tensors, sha256_of
from genieredux.evaluation.networks.perceptual_net import MIN_SIZE, PerceptualNet

_MICRO_BATCH = 32


class PerceptualDistance(OfRows):
    """A perceptual network. name: with the network's, for its numbers are those of no other; id: hash of the weights;
    file: where they lie.
    """

    def __init__(
        self, network: PerceptualNet, name: str, network_id: str, device: str | torch.device = "cpu", file: str = ""
    ) -> None:
        self.about = About(name, name, better="lower", first_seed_only=True)
        self.name, self.file = name, file
        self.id = f"{name.lower()}-{network_id}"
        self._device = torch.device(device)
        self._network = network.to(self._device)

    def describe(self) -> dict[str, Any]:
        """See Openable."""
        return {"id": self.id, "file": self.file}

    @torch.inference_mode()
    def compare(self, frames: Tensor, truth: Tensor) -> Tensor:
        """frames, truth: float (..., C, H, W) in [0, 1] -> float32 (...) on the CPU; 0 where identical.

        Frames are compared at their own size. Raises UserError for frames under 32 pixels.
        """
        if frames.shape != truth.shape or frames.dim() < 3:
            raise ValueError(f"frames must agree as (..., C, H, W): got {frames.shape} and {truth.shape}")
        if min(frames.shape[-2:]) < MIN_SIZE:
            height, width = frames.shape[-2:]
            raise UserError(f"{self.name} needs frames of {MIN_SIZE} pixels or more, these are {width}x{height}")
        pairs = (of.reshape(-1, *of.shape[-3:]).split(_MICRO_BATCH) for of in (frames, truth))
        with exact_convolutions():
            parts = [
                self._network(a.to(self._device, torch.float32), b.to(self._device, torch.float32)).cpu()
                for a, b in zip(*pairs, strict=True)
            ]
        return torch.cat(parts).view(frames.shape[:-3])


class StLpips:
    """Opens ST-LPIPS (Ghildyal and Liu 2022)."""

    @classmethod
    def open(cls, setting: Setting) -> PerceptualDistance:
        """See Openable."""
        _require_size(setting)
        with named_or_missing("ST-LPIPS", setting.networks.stlpips_weights):
            return _open_st_lpips(setting)


class Lpips:
    """Opens LPIPS (Zhang et al. 2018), left out in silence where nobody names its files, since nothing ships them."""

    @classmethod
    def open(cls, setting: Setting) -> PerceptualDistance | None:
        """See Openable."""
        trunk, heads = setting.networks.lpips_trunk, setting.networks.lpips_heads
        if not (trunk or heads):
            return None
        _require_size(setting)
        with named_or_missing("LPIPS", trunk or heads):
            return _open_lpips(setting)


def _require_size(setting: Setting) -> None:
    if setting.image_size < MIN_SIZE:
        raise Missing(f"it needs frames of {MIN_SIZE} pixels or more, these have {setting.image_size}")


def _open_st_lpips(setting: Setting) -> PerceptualDistance:
    net, weights = setting.networks.stlpips_net, setting.networks.stlpips_weights
    source = perceptual_net.SOURCES[net]
    if weights:
        path = Path(weights)
        tensors = read_converted(path, source)
    else:
        path, tensors = converted(source, lambda: convert_st_lpips(net))
    network = PerceptualNet(source.network)
    load_state(network, tensors, str(path))
    return PerceptualDistance(network, f"ST-LPIPS ({net})", source.sha256[:16], setting.device, str(path))


def _open_lpips(setting: Setting) -> PerceptualDistance:
    if not (setting.networks.lpips_trunk and setting.networks.lpips_heads):
        raise UserError("it needs two files; set both lpips_trunk and lpips_heads, or neither")
    trunk, heads = Path(setting.networks.lpips_trunk), Path(setting.networks.lpips_heads)
    state = perceptual_net.lpips_state(read_tensors(trunk), read_tensors(heads), f"{trunk} and {heads}")
    network = PerceptualNet("lpips-alex")
    load_state(network, state, f"{trunk} and {heads}")
    network_id = sha256_of(trunk)[:8] + sha256_of(heads)[:8]
    return PerceptualDistance(network, "LPIPS (alex)", network_id, setting.device, f"{trunk}, {heads}")
