"""How the picture moves: the codebook of motions, and the prior that says which comes next.

A motion is the shift of the picture as a whole between two frames. It is what a platformer's future hangs on (the
camera follows the agent), it jumps between few values, and a mean of two of them is neither: so it is a token, and the
prior a categorical distribution over the codebook.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.config import CanvasConfig

PIXELS = 3.0
"""Motions are divided by this many pixels where painter and actor read them."""
LOST = 1.0
"""In pixels: a motion farther than this from every code is another thing (a scene cut), and no error to be made up."""
AROUND = 1.3
"""In pixels: codes that are so near along both axes are one motion, which pictures show now as this, now as that."""
LIKELY = 0.25
"""Of such codes those make up a motion that have at least this share of the likeliest one's chance: nothing creeps."""
_ROUNDS = 15
_ALIKE = 0.05
"""In pixels: how exactly a motion is measured."""


def around_stillness(count: int) -> Tensor:
    """Motions (K, 2) to begin with: that nothing moves, and then around it, on a spiral a quarter of a pixel wide."""
    number = torch.arange(count, dtype=torch.float32)
    reach, angle = 0.25 * number.sqrt(), number * (math.pi * (3 - math.sqrt(5)))
    return torch.stack([reach * angle.sin(), reach * angle.cos()], 1)


def find_codes(shifts: Tensor, count: int) -> Tensor:
    """`count` motions (K, 2) that stand for shifts (N, 2), by k-means; the first is that nothing moves.

    It begins with shifts of all kinds, those that differ by less than _ALIKE being of one. Where there are fewer kinds
    than codes, the rest lie around stillness.
    """
    kinds = (shifts / _ALIKE).round().unique(dim=0) * _ALIKE
    if len(kinds) < count:
        rest = around_stillness(count).to(shifts)
        moved = kinds[kinds.abs().amax(1) > 0]
        codes = torch.cat([rest[:1], moved, rest[1:]])[:count].contiguous()
    else:
        order = torch.linspace(0, len(kinds) - 1, count, device=shifts.device).long()
        codes = kinds[order].clone()
    for _ in range(_ROUNDS):
        codes[0] = 0
        nearest = torch.cdist(shifts, codes).argmin(1)
        members = torch.zeros_like(codes[:, 0]).index_add_(0, nearest, torch.ones_like(shifts[:, 0]))
        sums = torch.zeros_like(codes).index_add_(0, nearest, shifts)
        codes = torch.where(members[:, None] > 0, sums / members.clamp(min=1)[:, None], codes)
    codes[0] = 0
    return codes


def to_codes(shifts: Tensor, codes: Tensor, owed: Tensor) -> tuple[Tensor, Tensor]:
    """The codes int64 (B, T) of shifts (B, T, 2) one after another, each making up for the rounding of those before.

    owed: (B, 2), what is to be made up for at the start; returned is that at the end too. So the place of the picture
    is never farther from the truth than a rounding, however many frames there are.
    """
    chosen = []
    for shift in shifts.unbind(1):
        wanted = shift + owed
        code = torch.cdist(wanted, codes).argmin(1)
        owed = left_over(wanted, codes[code])
        chosen.append(code)
    return torch.stack(chosen, 1), owed


def settled(tokens: Tensor, logits: Tensor, codes: Tensor, owed: Tensor) -> tuple[Tensor, Tensor]:
    """What is taken where `tokens` (B,) were drawn: codes int64 (B,), and the motions (B, 2) that were wanted of them.

    A walk of 2.46 pixels a frame is shown as 2 or 3, and no picture says which: drawn by chance, the errors add up like
    a drunkard's steps; the likelier one taken, it always comes short. So what is meant is the mean of the likely codes
    around the one that was drawn, by logits (B, K), and of these the one is taken that is nearest to it with what
    earlier frames owe, (B, 2): as `to_codes` does for true motions.
    """
    around = (codes - codes[tokens][:, None]).abs().amax(2) <= AROUND
    chances = logits.float().masked_fill(~around, -torch.inf).softmax(1)
    chances = chances * (chances >= LIKELY * chances.amax(1, keepdim=True))
    wanted = owed + (chances[..., None] * codes).sum(1) / chances.sum(1, keepdim=True)
    distance = (codes - wanted[:, None]).square().sum(2)
    return distance.masked_fill(chances == 0, torch.inf).argmin(1), wanted


def left_over(wanted: Tensor, taken: Tensor) -> Tensor:
    """What motions (B, 2) that were taken owe those that were wanted; nothing where it was quite another."""
    rest = wanted - taken
    return torch.where(rest.norm(dim=1, keepdim=True) > LOST, 0.0, rest)


def soft_targets(shifts: Tensor, codes: Tensor, softness: float) -> Tensor:
    """Probabilities (..., K) of the codes for true shifts (..., 2): a Gaussian of `softness` pixels."""
    distance = torch.cdist(shifts.flatten(0, -2), codes).view(*shifts.shape[:-1], len(codes))
    return (-distance.square() / (2 * softness * softness)).softmax(-1)


class MotionPrior(nn.Module):
    """Logits of the next motion from the frames, motions and actions so far: convolutions over the last two frames, and
    a recurrent state over time."""

    by_adamw = ("logits",)
    """Beginnings of the names of parameters that muon leaves to adamw (training/machine/muon.py)."""
    _WAVES = (0.25, 0.5, 1.0, 2.0)

    def __init__(self, config: CanvasConfig, num_actions: int) -> None:
        super().__init__()
        width, side = config.motion_width, config.image_size // 8
        self.look = nn.Sequential(
            nn.Conv2d(6 * 16, 64, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(64, 96, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(96, 32, 1),
            nn.SiLU(),
        )
        self.flat = nn.Linear(32 * side * side, width)
        self.action = nn.Linear(config.action_width, width) if config.action_width else nn.Embedding(num_actions, width)
        self.motion = nn.Linear(2 + 4 * len(self._WAVES), width)
        self.norm = nn.LayerNorm(width)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.logits = nn.Linear(width, config.motions)

    def forward(
        self, frames: Tensor, motions: Tensor, actions: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, T, K) and the new state (1, B, width).

        frames: (B, T + 1, 3, H, W), one more than is asked about: that before the first. motions: (B, T, 2), those that
        led to frames 1..T. actions: those taken at them, int64 (B, T) or vectors (B, T, action_width).
        """
        pairs = torch.cat([frames[:, 1:], frames[:, :-1]], 2).flatten(0, 1) - 0.5
        looks = self.look(F.pixel_unshuffle(pairs, 4).contiguous(memory_format=torch.channels_last))
        features = self.flat(looks.flatten(1)).view(*motions.shape[:2], -1)
        x = self.norm(features + self.motion(self._waves(motions)) + self.action(actions))
        told, state = self.memory(x, state)
        return self.logits(self.head(torch.cat([told, x], -1))).float(), state

    def _waves(self, motions: Tensor) -> Tensor:
        """(..., 2) to what tells motions of fractions of a pixel apart."""
        angles = (motions[..., None] * (motions.new_tensor(self._WAVES) * (math.pi / 2))).flatten(-2)
        return torch.cat([motions / 4, angles.sin(), angles.cos()], -1)
