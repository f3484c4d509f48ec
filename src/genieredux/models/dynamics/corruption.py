"""What training does to tokens before a dynamics sees them: hiding some, replacing some. Knows ids, no network.

Every draw takes a generator, so that a step's noise is a function of its seed.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from genieredux.nn.draws import uniform


def disturb(tokens: Tensor, share: float, codes: int, generator: torch.Generator | None) -> Tensor:
    """Replace up to `share` of each clip's tokens (B, T, h, w) by random ones of `codes`; a new tensor."""
    if share == 0:
        return tokens
    limit = uniform((tokens.shape[0], 1, 1, 1), generator, tokens.device) * share
    wrong = uniform(tokens.shape, generator, tokens.device) < limit
    other = (uniform(tokens.shape, generator, tokens.device) * codes).long()
    return torch.where(wrong, other, tokens)


def hide(
    shape: tuple[int, ...] | torch.Size,
    generator: torch.Generator | None,
    device: torch.device,
    *,
    ratio: Literal["uniform", "cosine"],
    per: Literal["batch", "clip", "frame"],
) -> Tensor:
    """Which tokens of `shape` (B, T, h, w) are hidden: bool, each with the chance that its batch, clip or frame drew.

    ratio: uniform in [0.5, 1) (Genie, GenieRedux), or the cosine of a uniform angle (MaskGIT).
    """
    one_each = {"batch": (1, 1, 1, 1), "clip": (shape[0], 1, 1, 1), "frame": (*shape[:2], 1, 1)}[per]
    drawn = uniform(one_each, generator, device, shared=per == "batch")
    chance = 0.5 + drawn / 2 if ratio == "uniform" else torch.cos(drawn * (math.pi / 2))
    return uniform(shape, generator, device) < chance


def clean_frames(clips: int, low: int, high: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """How many frames at the start of each clip stay as they are: int64 (clips, 1, 1, 1) in [low, high]."""
    drawn = uniform((clips, 1, 1, 1), generator, device)
    return low + (drawn * (high - low + 1)).long()
