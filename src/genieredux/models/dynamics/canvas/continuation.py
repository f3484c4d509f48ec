"""What was seen, continued: a guess at pixels that nobody has seen, copied from those that are known.

A wall goes on as a wall, a floor as a floor: what lies beside an unknown pixel has often been shown before, some pixels
further up, down, left or right, and what came after it there may come after it here. Blocks of pixels are copied from
where their surroundings agree best with what is known around them (texture synthesis by example: Efros & Leung 1999,
of whole blocks as in Efros & Freeman 2001), so that what is new is as sharp as what is old. It has no parameters.
Knows pictures; no motion and no action.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 4
"""Side in pixels of what is copied at once; its surroundings are one block to each side."""
_NEAREST = 2
"""The shortest way, in pixels, that anything is copied."""
_COLOURS = (0.5, 0.3, 0.2)
"""Weights of red, green and blue where pictures are compared."""
_LITTLE = 0.02
"""Mean difference that a guess from the smallest surroundings is taken to have besides its own."""
_TRUST = 0.03
"""Mean difference of the surroundings at which trust in a guess has fallen to 1/e."""
_NEVER = 10.0
"""The score of what may not be copied: pixels that nobody has seen, or beside which nothing can be compared."""


def continued(view: Tensor, known: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """A picture (B, 3, H, W) that is `view` where it is known and continues it elsewhere, and how far each of its
    pixels can be trusted, (B, 1, H, W): 1 where it is known, 0 where nothing continues it (the picture is 0 there).

    view: float (B, 3, H, W), known: (B, 1, H, W), 0 or 1; H and W multiples of BLOCK. Copied are pixels from up to
    `reach` pixels (more than 1) away, along a row or a column. Of pictures that are known everywhere nothing is asked.
    """
    if torch.jit.is_tracing():  # an exported graph has no choice
        return _copied(view, known, reach)
    gaps = (known == 0).flatten(1).any(1).nonzero()[:, 0]
    if len(gaps) == len(view):
        return _copied(view, known, reach)
    if not len(gaps):
        return view, known
    picture, trust = _copied(view[gaps], known[gaps], reach)
    return view.index_copy(0, gaps, picture), known.index_copy(0, gaps, trust)


def _copied(view: Tensor, known: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    height, width = view.shape[-2:]
    shifts = [way for far in range(_NEAREST, reach + 1) for way in ((0, far), (0, -far), (far, 0), (-far, 0))]
    padded = F.pad(torch.cat([view, torch.ones_like(known)], 1) * known, [reach] * 4)

    def moved(channel: Tensor) -> Tensor:
        """(B, S, H, W): padded pixels under each shift, so that a pixel's source is at its place."""
        tops_and_lefts = [(reach - down, reach - right) for down, right in shifts]
        return torch.stack([channel[:, top : top + height, left : left + width] for top, left in tops_and_lefts], 1)

    source_known = moved(padded[:, 3])
    both = source_known * known
    grey = _COLOURS[0] * padded[:, 0] + _COLOURS[1] * padded[:, 1] + _COLOURS[2] * padded[:, 2]
    here = grey[:, None, reach : reach + height, reach : reach + width]
    differs = _around(F.avg_pool2d((moved(grey) - here).abs() * both, BLOCK))
    compared = F.avg_pool2d(both, BLOCK)
    lacking = F.avg_pool2d(1 - known, BLOCK) - F.avg_pool2d(source_known, BLOCK) + compared  # both are unknown
    compared = _around(compared)
    share = compared.clamp_min(1e-6)
    score = differs / share + _LITTLE / (1 + 9 * BLOCK * share) + _NEVER * (lacking + (compared < 1e-3))
    best, which = score.min(1)

    line = width + 2 * reach
    away = torch.tensor([down * line + right for down, right in shifts], device=view.device)
    rows, columns = torch.arange(height, device=view.device), torch.arange(width, device=view.device)
    place = (rows[:, None] + reach) * line + columns + reach
    at = (place - _pixels(away[which])).flatten(1)[:, None].expand(-1, 4, -1)
    copied = padded.flatten(2).gather(2, at).view(-1, 4, height, width)
    trust = _pixels((-best / _TRUST).exp())[:, None] * copied[:, 3:]
    source = copied[:, :3] * (trust > 0)
    return torch.where(known > 0, view, source), torch.where(known > 0, known, trust)


def _around(blocks: Tensor) -> Tensor:
    """The mean over each block and those around it, (B, S, h, w)."""
    return F.avg_pool2d(blocks, 3, 1, 1)


def _pixels(blocks: Tensor) -> Tensor:
    """Values of blocks (B, h, w) for each of their pixels."""
    return blocks.repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2)
