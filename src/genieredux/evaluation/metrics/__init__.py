"""Which metrics there are. To add one: a file with a class beside these, and a line in a table here.

A class is found when it is wanted and not before. Instead of a name, `module:Class` measures with somebody's own class
(metrics/metric.py says what it must have). It knows names, no metric.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from genieredux import own_code
from genieredux.checking import nearest
from genieredux.errors import UserError

ALWAYS = {
    "psnr": "psnr:Psnr",
    "ssim": "ssim:Ssim",
    "gain": "gain:Gain",
    "delta_psnr": "delta_psnr:DeltaPsnr",
    "action_following": "action_following:ActionFollowing",
    "sharpness": "sharpness:Sharpness",
    "entropy": "entropy:Entropy",
    "calibration": "calibration:Calibration",
    "codebook": "codebook:Codebook",
    "mapping": "mapping:CodesToActions",
}
"""Measured wherever the subject draws what they need."""

CHOSEN = {
    "ST-LPIPS": "perceptual:StLpips",
    "LPIPS": "perceptual:Lpips",
    "action_accuracy": "action_accuracy:ActionAccuracy",
    "FID": "fid:Fid",
    "FVD": "fvd:Fvd",
    "random_frechet": "random_frechet:RandomFrechet",
}
"""Those of `eval.metrics`: they look through a network, which takes time and perhaps weights that are not here."""


def check_names(names: Iterable[str], where: str = "eval.metrics") -> None:
    """Raise UserError unless each is a name of a table or reads like `module:Class`."""
    for name in names:
        if name not in (*ALWAYS, *CHOSEN) and ":" not in name:
            near = nearest(name, CHOSEN)
            raise UserError(
                f"{where} is {name!r}; did you mean {near}? (choose of {', '.join(CHOSEN)}; one of your own "
                f"is a class, named as module:Class: see docs/metrics.md)"
            )


def find(name: str) -> Any:
    """The class of a metric. Raises UserError where a class of one's own cannot be imported."""
    path = {**ALWAYS, **CHOSEN}.get(name)
    if path is not None:
        module, _, kind = path.partition(":")
        return getattr(import_module(f"{__name__}.{module}"), kind)
    return own_code.load(name, "eval.metrics")
