"""By how much a picture moved as a whole between two frames, to a fraction of a pixel. Nothing here is learned.

The shift under which two frames agree best where they overlap: first on a grid of 2 pixels at half the resolution, then
on whole pixels around it, then a parabola through the neighbours (which is drawn a little to whole pixels). Differences
count up to CAP, so that what moves by itself does not decide.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CAP = 0.1
"""The largest squared difference of grey values that counts."""
STILL = 0.08
"""In pixels: what seems to move by less along an axis does not."""
_GREY = (0.35, 0.45, 0.2)
_CHUNK = 32
_AROUND = 2
_EDGE = 0.04
_UNCHANGED = 0.01


def shifts(before: Tensor, after: Tensor, reach: int) -> Tensor:
    """Shifts float32 (N, 2), (down, right) in pixels: what was at x in `before` is at x + shift in `after`.

    before, after: float (N, 3, H, W) in [0, 1]. reach: the farthest that is looked for, in pixels, along either axis;
    at most a quarter of the picture's side is looked for.
    """
    half = max(1, min(reach, before.shape[-1] // 4, before.shape[-2] // 4) // 2)
    pairs = zip(before.split(_CHUNK), after.split(_CHUNK), strict=True)
    return torch.cat([_shifts(_grey(a), _grey(b), half) for a, b in pairs])


def shifts_near(before: Tensor, after: Tensor, guess: Tensor) -> Tensor:
    """As `shifts`, but looked for within a pixel of what `guess` (N, 2) rounds to, however far that is."""
    return _best_around(_grey(before), _grey(after), guess.round().long())[0]


def _grey(frames: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, H, W)."""
    return (frames.float() * frames.new_tensor(_GREY)[:, None, None]).sum(1)


def _shifts(a: Tensor, b: Tensor, half: int) -> Tensor:
    """a, b: grey values (N, H, W). half: of the reach."""
    side = 2 * half + 1
    coarse = _differences(F.avg_pool2d(a[:, None], 2)[:, 0], F.avg_pool2d(b[:, None], 2)[:, 0], half)
    best = coarse.flatten(1).argmin(1)
    start = torch.stack([best // side - half, best % side - half], 1) * 2
    shift, whole, difference = _best_around(a, b, start)
    no_better = ((a - b).square().clamp(max=CAP).mean((1, 2)) <= difference + 1e-7) & (whole != 0).any(1)
    in_place = no_better | (_edges_in_place(a, b) & (whole == 0).all(1))
    return torch.where((shift.abs() < STILL) | in_place[:, None], 0.0, shift)


def _best_around(a: Tensor, b: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best shift around `start`, whole numbers (N, 2); that in whole pixels; and how much differs under it (N,)."""
    fine = _differences_around(a, b, start)
    inner = fine[:, 1:-1, 1:-1]
    width = inner.shape[-1]
    best = inner.flatten(1).argmin(1)
    row, column = best // width + 1, best % width + 1
    n = torch.arange(len(a), device=a.device)
    middle = fine[n, row, column]
    whole = start + torch.stack([row, column], 1) - _AROUND
    down = _vertex(fine[n, row - 1, column], middle, fine[n, row + 1, column])
    right = _vertex(fine[n, row, column - 1], middle, fine[n, row, column + 1])
    return whole + torch.stack([down, right], 1), whole, middle


def _edges_in_place(a: Tensor, b: Tensor) -> Tensor:
    """Whether most edges of a (N, H, W) are unchanged in b, bool (N,): then what changed moved by itself."""
    down, right = a.diff(dim=1).abs()[:, :, 1:], a.diff(dim=2).abs()[:, 1:]
    edges = torch.maximum(down, right) > _EDGE
    unchanged = edges & ((a - b).abs()[:, 1:, 1:] < _UNCHANGED)
    return unchanged.sum((1, 2)) * 2 >= edges.sum((1, 2))


def _differences(a: Tensor, b: Tensor, reach: int) -> Tensor:
    """Mean capped squared difference (N, 2 * reach + 1, 2 * reach + 1) of b and a shifted, where they overlap."""
    height, width = a.shape[1:]
    rows = []
    for down in range(-reach, reach + 1):
        to_y, from_y = _overlap(height, down)
        for right in range(-reach, reach + 1):
            to_x, from_x = _overlap(width, right)
            rows.append((b[:, to_y, to_x] - a[:, from_y, from_x]).square_().clamp_(max=CAP).mean((1, 2)))
    return torch.stack(rows, 1).view(len(a), 2 * reach + 1, 2 * reach + 1)


def _differences_around(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    """The same for shifts of up to _AROUND pixels from `start`, whole numbers (N, 2)."""
    height, width = a.shape[1:]
    edge = int(start.abs().max()) + 2 * _AROUND
    padded = F.pad(torch.stack([a, torch.ones_like(a)], 1), (edge,) * 4)
    moved, there = torch.stack(
        [
            both[:, top : top + height + 2 * _AROUND, left : left + width + 2 * _AROUND]
            for both, (top, left) in zip(padded, (edge - _AROUND - start).tolist(), strict=True)
        ]
    ).unbind(1)
    rows = []
    for down in range(2 * _AROUND, -1, -1):
        for right in range(2 * _AROUND, -1, -1):
            window = (slice(None), slice(down, down + height), slice(right, right + width))
            difference = (b - moved[window]).square_().clamp_(max=CAP).mul_(there[window])
            rows.append(difference.sum((1, 2)) / there[window].sum((1, 2)))
    side = 2 * _AROUND + 1
    return torch.stack(rows, 1).view(len(a), side, side)


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Where what is shifted lies, and where it comes from."""
    return slice(max(0, shift), size + min(0, shift)), slice(max(0, -shift), size + min(0, -shift))


def _vertex(low: Tensor, middle: Tensor, high: Tensor) -> Tensor:
    """Where the parabola through three values at -1, 0 and 1 is least, in [-0.5, 0.5]."""
    bend = low + high - 2 * middle
    return torch.where(bend > 1e-9, (0.5 * (low - high) / bend.clamp(min=1e-9)).clamp(-0.5, 0.5), 0.0)
