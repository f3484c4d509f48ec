"""Things that move by themselves: the last frame moved by each of a few motions, and which of them shows what comes.

A ship that slides along the bottom or an enemy that comes down is the same few pixels again, some way off. So the last
frame is offered to the painter's mix once for every motion of a small codebook, and a small network says for every
pixel, by itself, which of them shows it: what lies at the place where each motion would have brought it from, whether
that has moved so before, where in the picture it is, and the action. The codebook is found in the data, before training
begins. Knows frames and actions; no canvas, no token.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.sheet import CHANGED, differ
from genieredux.nn.draws import uniform

REACH = 12
"""The farthest motion of a thing between two frames, in pixels along either axis."""
_AROUND = 5
"""Side of the square of pixels that is compared where a pixel's motion is asked for."""
_BETTER = 0.5
"""A motion is one where it leaves less than this share of the error of staying in place."""
_CLEARLY = 0.8
"""A farther motion leaves less than this share of the error of a nearer one, or the nearer one is believed: what comes
in rows fits in several ways."""
_PAIRS = 64
"""Pairs of frames that are looked at for the motions of things, at most."""
_HIDDEN = 64
_FINEST = 8
"""In pixels: the shortest wave by which a place is told, so that the edge of the picture or the row in which a ship
slides is."""
_SURE = 8.0
"""The logits stay within this."""
_FIRST = -2.0
"""Logit of a motion against staying, to begin with."""
_NEITHER = -1.0
"""Logit of what comes by none of the motions, in the loss."""
_LIKE = 0.05
"""Mean absolute difference of colours by which a candidate that shows the truth is off."""
_OFF = 0.3
"""And by which one is that does not."""
_PIXELS = 256
"""Pixels of a frame that are learned from: of those where it matters which motion it was."""


class Sprites(nn.Module):
    """See the module. motions: int64 (N, 2), (down, right) in pixels; those not found are 0."""

    def __init__(self, config: CanvasConfig, num_actions: int) -> None:
        super().__init__()
        count, width = config.sprites, config.action_width
        self.motions: Tensor
        self.register_buffer("motions", torch.zeros(count, 2, dtype=torch.int64))
        self.place: Tensor
        self.register_buffer("place", _places(config.image_size), persistent=False)
        self.enter = nn.Linear(3 + 2 + 5 * count + self.place.shape[1], _HIDDEN)
        self.middle = nn.Linear(_HIDDEN, _HIDDEN)
        self.leave = nn.Linear(_HIDDEN, 1 + count)
        values = (1 + count) * _HIDDEN
        self.leave_by_action = nn.Linear(width, values) if width else nn.Embedding(num_actions, values)
        for parameter in (*self.leave.parameters(), *self.leave_by_action.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, last: Tensor, before: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The last frame under each motion, (B, N, 3, H, W), and the chances (B, 1 + N, H, W) that a pixel comes by
        none of them, and by each."""
        moved, features = self._look(last, before)
        votes = self._decide(features.flatten(2).transpose(1, 2), action)
        chances = (votes + self._first(votes)).softmax(-1)
        return moved, chances.transpose(1, 2).reshape(len(last), -1, *last.shape[-2:])

    def loss(self, frames: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Mean negative log-likelihood in nats of the next frames' pixels, where it matters what they came by.

        Each candidate (staying, a motion, none of them) has its chance, and a Laplace distribution around it. Unlike
        the error of their mean it says at once which candidate was right. frames: (B, T, 3, H, W), T >= 3. actions:
        (B, T - 1) or (B, T - 1, A).
        """
        with torch.no_grad():
            before, last, new = (frames[:, k : frames.shape[1] - 2 + k].flatten(0, 1) for k in range(3))
            moved, features = self._look(last, before)
            candidates = torch.cat([last[:, None], moved], 1)
            matters = (candidates.amax(1) - candidates.amin(1)).amax(1).flatten(1) > CHANGED
            drawn = uniform(tuple(matters.shape), generator, frames.device)
            some = (matters + drawn).topk(min(_PIXELS, matters.shape[1])).indices
            far = (candidates - new[:, None]).abs().mean(2).flatten(2)
            far = torch.cat([far, torch.full_like(far[:, :1], _OFF)], 1) / _LIKE
            far = far.gather(2, some[:, None].expand(-1, far.shape[1], -1)).transpose(1, 2)
            features = features.flatten(2).gather(2, some[:, None].expand(-1, features.shape[1], -1)).transpose(1, 2)
            counts = matters.gather(1, some)
        votes = self._decide(features, actions[:, 1:].flatten(0, 1))
        neither = torch.full_like(votes[..., :1], _NEITHER)
        chances = torch.cat([votes + self._first(votes), neither], -1).log_softmax(-1)
        least = far.amin(-1)
        losses = least - (chances - far + least[..., None]).logsumexp(-1)
        return (losses * counts).sum() / counts.sum().clamp(min=1)

    def _first(self, votes: Tensor) -> Tensor:
        """What is added to the logits (..., 1 + N): it stays, to begin with."""
        return F.pad(torch.full_like(votes[..., 1:], _FIRST), (1, 0))

    def _look(self, last: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """The last frame under each motion, and what the network sees of every pixel (B, C, H, W)."""
        moved, past = self._moved(last, self.motions), self._moved(before, 2 * self.motions)
        steady = (moved - past).abs().mean(2)  # whether what lies there has come the same way before
        other = (moved - last[:, None]).abs().mean(2)
        still = (last - before).abs().mean(1, keepdim=True)
        around = F.avg_pool2d(torch.cat([still, steady, other], 1), _AROUND, 1, _AROUND // 2)
        place = self.place.expand(len(last), -1, -1, -1)
        return moved, torch.cat([last - 0.5, still, (moved - last[:, None]).flatten(1, 2), 4 * around, place], 1)

    def _decide(self, features: Tensor, action: Tensor) -> Tensor:
        """Logits (B, P, 1 + N) of staying and of each motion, of pixels' features (B, P, C)."""
        x = F.silu(self.enter(features))
        x = x + F.silu(self.middle(x))
        own = self.leave_by_action(action).view(len(x), -1, _HIDDEN)
        votes = (self.leave(x) + x @ own.transpose(1, 2)).float()
        return _SURE * torch.tanh(votes / _SURE)

    @torch.no_grad()
    def find(self, clips: list[Tensor]) -> None:
        """The commonest motions of what changes in clips of frames (B, T, 3, H, W)."""
        shifts = torch.cartesian_prod(*[torch.arange(-REACH, REACH + 1, device=self.motions.device)] * 2)
        shifts = shifts[shifts.square().sum(1).argsort(stable=True)]
        last = torch.cat([frames[:, :-1].flatten(0, 1) for frames in clips])
        new = torch.cat([frames[:, 1:].flatten(0, 1) for frames in clips])
        some = torch.linspace(0, len(last) - 1, min(len(last), _PAIRS)).long()
        last, new = last[some], new[some]
        asked = (differ(new, last) * self._texture(new))[:, 0] > 0
        least = _BETTER * self._error(new, last)[asked]
        best = torch.zeros_like(least, dtype=torch.int64)
        for number, shift in enumerate(shifts[1:], 1):
            error = self._error(new, self._moved(last, shift[None])[:, 0])[asked]
            better = error < torch.where(best > 0, _CLEARLY * least, least)
            best[better], least[better] = number, error[better]
        votes = torch.bincount(best, minlength=len(shifts))
        votes[0] = 0
        chosen = votes.topk(len(self.motions))
        self.motions.copy_(torch.where(chosen.values[:, None] > 0, shifts[chosen.indices], 0))

    @staticmethod
    def _moved(frames: Tensor, motions: Tensor) -> Tensor:
        """Frames (B, 3, H, W) under motions (N, 2): (B, N, 3, H, W). What comes in at an edge is that edge."""
        height, width = frames.shape[-2:]
        edge = 2 * REACH
        padded = F.pad(frames, (edge,) * 4, mode="replicate")
        corners = (edge - motions).tolist()
        return torch.stack([padded[..., top : top + height, left : left + width] for top, left in corners], 1)

    @staticmethod
    def _error(new: Tensor, other: Tensor) -> Tensor:
        """Mean absolute difference around every pixel, (B, H, W)."""
        return F.avg_pool2d((new - other).abs().mean(1, keepdim=True), _AROUND, 1, _AROUND // 2)[:, 0]

    @staticmethod
    def _texture(frames: Tensor) -> Tensor:
        """Where the neighbours of a pixel differ, (B, 1, H, W), 0 or 1: elsewhere nobody can say what moved."""
        return differ(F.max_pool2d(frames, 3, 1, 1), -F.max_pool2d(-frames, 3, 1, 1))


def _places(side: int) -> Tensor:
    """What says where a pixel is, (1, W, side, side): waves along both axes, each half as long as the one before."""
    line, waves = torch.arange(side) + 0.5, []
    length = 2.0 * side
    while length >= _FINEST:
        angle = line * (2 * math.pi / length)
        waves += [angle.sin(), angle.cos()]
        length /= 2
    along = torch.stack(waves)
    down = along[:, :, None].expand(-1, -1, side)
    return torch.cat([down, down.transpose(1, 2)])[None]
