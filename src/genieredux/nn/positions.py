"""Where a token is, told to attention: ALiBi over time, a learned bias over the grid, a depthwise
convolution.

Knows shapes only: nothing of images, games or blocks.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.nn.depthwise import depthwise_conv3d


def alibi_slopes(heads: int) -> Tensor:
    """ALiBi's slope per head (Press et al. 2022): 2^(-8/n), 2^(-16/n), ...; float32 (heads,).

    A number of heads that is no power of two takes every second slope of the next power for the remainder.
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (i + 1) / power) for i in range(power)]
    slopes += [2.0 ** (-4.0 * (2 * i + 1) / power) for i in range(heads - power)]
    return torch.tensor(slopes)


def temporal_bias(
    queries: int,
    keys: int,
    *,
    slopes: Tensor | None,
    causal: bool = True,
    window: int | None = None,
    device: torch.device | None = None,
) -> Tensor | None:
    """What is added to temporal scores: ALiBi, the causal mask and the sliding window in one float32 tensor.

    The last query sits on the last key. A query at frame t sees frames t-window+1 .. t.
    slopes: (heads,) or None for no ALiBi. Returns (heads or 1, queries, keys), -inf where forbidden, or None
    when there is nothing to add.
    """
    last = keys - 1
    age = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    hidden = window if window is not None and last >= window else None  # the age from which frames are hidden
    if slopes is None and hidden is None and (not causal or queries == 1):
        return None
    bias = age.new_zeros((1, queries, keys), dtype=torch.float32)
    if slopes is not None:
        bias = age.abs() * -slopes.to(device)[:, None, None]
    if causal:
        bias = bias.masked_fill(age < 0, -torch.inf)
    if hidden is not None:
        bias = bias.masked_fill(age >= hidden, -torch.inf)
    return bias


def draft_bias(
    frames: int, *, slopes: Tensor | None, window: int | None = None, device: torch.device | None = None
) -> Tensor:
    """As `temporal_bias`, for `frames` known frames followed by as many drafts, draft i being of frame i+1.

    A known frame sees the known ones up to itself; draft i sees known frames 0..i and itself, as if it had been put
    after a cache of them. Returns float32 (heads or 1, 2*frames, 2*frames).
    """
    known = torch.arange(frames, device=device)
    time = torch.cat([known, known + 1])
    drafted = torch.arange(2 * frames, device=device) >= frames
    age = time[:, None] - time
    seen = torch.where(drafted[None], torch.eye(2 * frames, dtype=torch.bool, device=device), age >= drafted[:, None])
    if window is not None:
        seen &= age < window
    bias = age.new_zeros((1, 2 * frames, 2 * frames), dtype=torch.float32)
    if slopes is not None:
        bias = age.abs() * -slopes.to(device)[:, None, None]
    return bias.masked_fill(~seen, -torch.inf)


class ContinuousPositionBias(nn.Module):
    """A small network that maps the signed log distance of two grid cells to a bias per head (Liu 2022).

    Evaluated on the (2h-1)(2w-1) distinct offsets and gathered, not on all pairs. Call it once per forward
    and hand the result to every layer. While the module is in eval mode and no gradient is needed the result
    is kept per grid shape, until a weight changes or train() is called.
    """

    def __init__(self, heads: int, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, dim),
            nn.LeakyReLU(0.1),
            nn.Linear(dim, dim),
            nn.LeakyReLU(0.1),
            nn.Linear(dim, heads),
        )
        self._kept: dict[tuple[int, int], Tensor] = {}
        self._kept_for: tuple[object, ...] = ()

    def train(self, mode: bool = True) -> "ContinuousPositionBias":
        self._kept.clear()
        return super().train(mode)

    def forward(self, height: int, width: int) -> Tensor:
        """float32 (heads, height*width, height*width): what query cell i adds to its score for key cell j."""
        weights = tuple(self.parameters())
        needs_grad = torch.is_grad_enabled() and any(p.requires_grad for p in weights)
        # Tensors of inference mode count no versions, so a change of them could not be seen.
        if self.training or needs_grad or any(p.is_inference() for p in weights):
            return self._compute(height, width)
        versions = tuple((p.data_ptr(), p._version, p.device, p.dtype) for p in weights)
        state = (versions, torch.is_inference_mode_enabled())
        if state != self._kept_for:
            self._kept.clear()
            self._kept_for = state
        if (height, width) not in self._kept:
            self._kept[height, width] = self._compute(height, width)
        return self._kept[height, width]

    def _compute(self, height: int, width: int) -> Tensor:
        weight = next(self.parameters())
        device = weight.device
        dy = torch.arange(1 - height, height, device=device)
        dx = torch.arange(1 - width, width, device=device)
        offsets = torch.stack(torch.meshgrid(dy, dx, indexing="ij"), -1).flatten(0, 1).float()
        with torch.autocast(device.type, enabled=False):
            table = self.net((offsets.sign() * offsets.abs().log1p()).to(weight.dtype))
        y = torch.arange(height, device=device).repeat_interleave(width)
        x = torch.arange(width, device=device).repeat(height)
        row = y[:, None] - y + height - 1
        column = x[:, None] - x + width - 1
        index = (row * (2 * width - 1) + column).flatten()
        pairs = height * width
        return table.t().index_select(1, index).view(-1, pairs, pairs)


class PEG(nn.Module):
    """Position-encoding generator (Chu et al. 2021): a depthwise 3x3x3 convolution over (t, h, w).

    causal: frame t reads t-2, t-1, t (zeros before the first); otherwise t-1, t, t+1. The residual is the
    caller's.
    """

    def __init__(self, dim: int, causal: bool = True) -> None:
        super().__init__()
        self.causal = causal
        self.conv = nn.Conv3d(dim, dim, 3, groups=dim)  # its parameters and their initialisation

    def forward(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        """x: (B, T, H, W, D). past: the two frames before x, (B, 2, H, W, D), zeros where there are none.

        Returns the convolution, of x's shape.
        """
        if past is not None:
            x = torch.cat([past.to(x.dtype), x], 1)
        else:
            x = F.pad(x, (0, 0) * 3 + ((2, 0) if self.causal else (1, 1)))
        return depthwise_conv3d(x, self.conv.weight, self.conv.bias)

    def of_drafts(self, known: Tensor, drafts: Tensor) -> Tensor:
        """For drafts (B, T, H, W, D), draft i of the frame after frame i of known (the same shape)."""
        before = F.pad(known, (0, 0) * 3 + (1, 0))[:, :-1]
        past = torch.stack([before, known], 2).flatten(0, 1)
        return self(drafts.flatten(0, 1)[:, None], past)[:, 0].view_as(drafts)
