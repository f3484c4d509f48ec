"""Which pretrained metrics can be measured here: opens every network whose weights are there, and says in one line each
what is missing. It knows no world and no report.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.evaluation.fid import RESIZES, FrameFeatures
from genieredux.evaluation.fvd import VideoFeatures
from genieredux.evaluation.networks import i3d, inception, perceptual_net
from genieredux.evaluation.networks.convert import convert_i3d, convert_st_lpips, converted
from genieredux.evaluation.networks.files import cache_folder, load_state, read_converted, read_tensors, sha256_of
from genieredux.evaluation.perceptual import PerceptualDistance

FID, FVD, ST_LPIPS, LPIPS = "FID", "FVD", "ST-LPIPS", "LPIPS"
NAMES = (FID, FVD, ST_LPIPS, LPIPS)


@dataclass(frozen=True)
class NetworksConfig:
    """The weights of the metrics that look through a network."""

    fid_weights: FilePath | None = None
    """The Inception file of pytorch-fid and torch-fidelity; null: the user's cache, then torch hub's."""
    fid_trust: bool = False
    """Take a file of its layout whose SHA-256 is another."""
    fid_resize: str = "bilinear"
    """bilinear (as TensorFlow 1 and torch-fidelity) or nearest (as the published GenieRedux code)."""
    i3d_weights: FilePath | None = None
    """The network of FVD, which `genieredux metrics` converted; null: from the cache, or converted now from the
    installed package."""
    stlpips_net: str = "alex"
    """alex or vgg."""
    stlpips_weights: FilePath | None = None
    """The network of ST-LPIPS, as i3d_weights."""
    lpips_trunk: FilePath | None = None
    """torchvision's AlexNet; LPIPS needs it and lpips_heads."""
    lpips_heads: FilePath | None = None
    """alex.pth of lpips v0.1."""

    def __post_init__(self) -> None:
        if self.fid_resize not in RESIZES:
            raise UserError(f"fid_resize is '{self.fid_resize}'; choose {' or '.join(RESIZES)}")
        if self.stlpips_net not in perceptual_net.SOURCES:
            raise UserError(f"stlpips_net is '{self.stlpips_net}'; choose {' or '.join(perceptual_net.SOURCES)}")


@dataclass(frozen=True)
class Networks:
    """The networks that are there, None for those that are not; missing: metric -> why, in one line."""

    fid: FrameFeatures | None = None
    fvd: VideoFeatures | None = None
    stlpips: PerceptualDistance | None = None
    lpips: PerceptualDistance | None = None
    missing: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Plain values: for each metric `{id, file}` of its network, or `{missing}`."""
        there = {FID: self.fid, FVD: self.fvd, ST_LPIPS: self.stlpips, LPIPS: self.lpips}
        found: dict[str, Any] = {
            name: {"id": network.id, "file": self.files.get(name)} for name, network in there.items() if network
        }
        return {**found, **{name: {"missing": why} for name, why in self.missing.items()}}


def open_networks(
    config: NetworksConfig | None = None, device: str | torch.device = "cpu", wanted: Collection[str] = NAMES
) -> Networks:
    """Open the networks of the wanted metrics (names from `NAMES`).

    A file that the configuration names and that does not serve raises UserError. Weights that nobody named and that are
    not here leave their metric out, with a line in `missing`; LPIPS is left out in silence, since nothing ships it.
    """
    config = config or NetworksConfig()
    opened: dict[str, Any] = {}
    missing: dict[str, str] = {}
    files: dict[str, str] = {}
    openers = {
        FID: (_open_fid, config.fid_weights),
        FVD: (_open_fvd, config.i3d_weights),
        ST_LPIPS: (_open_st_lpips, config.stlpips_weights),
        LPIPS: (_open_lpips, config.lpips_trunk or config.lpips_heads),
    }
    for name in (name for name in NAMES if name in wanted):
        opener, named = openers[name]
        if name == LPIPS and not named:
            continue
        try:
            opened[name], files[name] = opener(config, device)
        except UserError as error:
            if named:
                raise UserError(f"{name}: {error}") from error
            missing[name] = str(error)
    return Networks(opened.get(FID), opened.get(FVD), opened.get(ST_LPIPS), opened.get(LPIPS), missing, files)


def find_inception() -> Path | None:
    """The Inception file in the user's cache or among torch hub's downloads, by its name; None where there is none."""
    hub = Path(os.environ.get("TORCH_HOME", Path.home() / ".cache" / "torch")) / "hub" / "checkpoints"
    for folder in (cache_folder(), hub):
        for name in inception.WEIGHTS_NAMES:
            if (folder / name).is_file():
                return folder / name
    return None


def _open_fid(config: NetworksConfig, device: str | torch.device) -> tuple[FrameFeatures, str]:
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
    network = inception.InceptionV3()
    load_state(network, inception.inception_state(read_tensors(path), str(path)), str(path))
    return FrameFeatures(network, digest[:16], config.fid_resize, device), str(path)


def _open_fvd(config: NetworksConfig, device: str | torch.device) -> tuple[VideoFeatures, str]:
    if config.i3d_weights:
        path = Path(config.i3d_weights)
        tensors = read_converted(path, i3d.SOURCE)
    else:
        path, tensors = converted(i3d.SOURCE, convert_i3d)
    network = i3d.I3D()
    load_state(network, tensors, str(path))
    return VideoFeatures(network, i3d.SOURCE.sha256[:16], device), str(path)


def _open_st_lpips(config: NetworksConfig, device: str | torch.device) -> tuple[PerceptualDistance, str]:
    source = perceptual_net.SOURCES[config.stlpips_net]
    if config.stlpips_weights:
        path = Path(config.stlpips_weights)
        tensors = read_converted(path, source)
    else:
        path, tensors = converted(source, lambda: convert_st_lpips(config.stlpips_net))
    network = perceptual_net.PerceptualNet(source.network)
    load_state(network, tensors, str(path))
    return PerceptualDistance(network, f"{ST_LPIPS} ({config.stlpips_net})", source.sha256[:16], device), str(path)


def _open_lpips(config: NetworksConfig, device: str | torch.device) -> tuple[PerceptualDistance, str]:
    if not (config.lpips_trunk and config.lpips_heads):
        raise UserError("it needs two files; set both lpips_trunk and lpips_heads, or neither")
    trunk, heads = Path(config.lpips_trunk), Path(config.lpips_heads)
    state = perceptual_net.lpips_state(read_tensors(trunk), read_tensors(heads), f"{trunk} and {heads}")
    network = perceptual_net.PerceptualNet("lpips-alex")
    load_state(network, state, f"{trunk} and {heads}")
    network_id = sha256_of(trunk)[:8] + sha256_of(heads)[:8]
    return PerceptualDistance(network, f"{LPIPS} (alex)", network_id, device), f"{trunk}, {heads}"
