"""The painter: the next frame from what the canvas shows of it, the last frames and the action.

Every pixel is a mix of three candidates: the canvas at its new place (where it knows it, or with `dynamics.continued`
what continues it, continuation.py), the last frame in place (what moves with the picture's frame: the agent that the
camera follows, a score), and what the network paints. With `dynamics.sprites` the last frame under each of so many
motions is a candidate too (sprites.py). A mix of candidates that were seen keeps their texture; the paint is for what
is new or changed.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.continuation import continued
from genieredux.models.dynamics.canvas.motion import PIXELS
from genieredux.models.dynamics.canvas.sprites import Sprites

CONDITION = 64
"""Values of what conditions the network."""
_RANGE = 4.0
"""The mix' logits stay in this, so that no candidate is ever lost to learning."""
_FIRST = (2.0, 1.0, 0.0)
"""Logits of canvas, last frame and paint, to begin with."""
_IN_FRONT = (-1.0, 2.0, 0.0)
"""What is added to these at the pixels of what is in front of the canvas."""
_BARRED = 20.0
_GUESSED = 0.5
"""How sure the network is told that pixels are which continue the canvas, at most; those that it knows are 1."""
_DECISIVE = 3.0
"""The mix' logits are multiplied by this when it does not train: a mean of two candidates is softer than either."""


@dataclass
class Outlook:
    """What B frames are painted from: the last two, what the canvas shows after the move (`view`, `known`), the last
    motion and the new one (B, 2, 2), the action as it was given, its vector, and that of the one before."""

    last: Tensor
    before: Tensor
    view: Tensor
    known: Tensor
    motions: Tensor
    action: Tensor
    vector: Tensor
    previous: Tensor

    @classmethod
    def of_all(cls, outlooks: list["Outlook"]) -> "Outlook":
        """Those of all frames, one after another."""
        return cls(*(torch.cat(parts) for parts in zip(*(vars(one).values() for one in outlooks), strict=True)))


@dataclass
class Painted:
    """frames: float32 (B, 3, H, W), not clamped. paint: the third candidate alone. mix: (B, 3 + sprites, H, W), the
    shares of canvas, last frame, paint, and the last frame under each motion of things. view, known: what the canvas
    showed."""

    frames: Tensor
    paint: Tensor
    mix: Tensor
    view: Tensor
    known: Tensor

    @property
    def in_place(self) -> Tensor:
        """The share (B, 1, H, W) of what belongs to the picture's frame: the last frame, in place or with its things
        moved."""
        share = self.mix[:, 1:2]
        return share if self.mix.shape[1] == len(_FIRST) else share + self.mix[:, 3:].sum(1, keepdim=True)


class Block(nn.Module):
    """Two convolutions, modulated by the condition between them; residual, and nothing to begin with."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.expand = nn.Conv2d(width, width, 3, padding=1)
        self.contract = nn.Conv2d(width, width, 3, padding=1)
        self.modulate = nn.Linear(CONDITION, 2 * width)
        nn.init.zeros_(self.contract.weight)
        nn.init.zeros_(self.contract.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (B, width, h, w), condition: (B, CONDITION)."""
        gain, shift = self.modulate(condition)[:, :, None, None].chunk(2, 1)
        return x + self.contract(F.silu(self.expand(self.norm(x)) * (1 + gain) + shift))


class UNet(nn.Module):
    """Pictures to pictures of the same size, at a half, a quarter and an eighth of the resolution."""

    by_adamw = ("leave",)

    def __init__(self, channels: int, out: int, width: int, blocks: int) -> None:
        super().__init__()
        half, quarter, eighth = width, 2 * width, 3 * width
        self.enter = nn.Conv2d(4 * channels, half, 3, padding=1)
        self.down_half, self.up_half = Block(half), Block(half)
        self.to_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.down_quarter, self.up_quarter = Block(quarter), Block(quarter)
        self.to_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(Block(eighth) for _ in range(blocks))
        self.from_eighth = nn.Conv2d(eighth, 4 * quarter, 1)
        self.from_quarter = nn.Conv2d(quarter, 4 * half, 1)
        self.leave = nn.Conv2d(half, 4 * out, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (B, channels, H, W), H and W multiples of 8; (B, out, H, W)."""
        folded = F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        half = self.down_half(self.enter(folded), condition)
        quarter = self.down_quarter(self.to_quarter(half), condition)
        eighth = self.to_eighth(quarter)
        for block in self.middle:
            eighth = block(eighth, condition)
        quarter = self.up_quarter(quarter + F.pixel_shuffle(self.from_eighth(eighth), 2), condition)
        half = self.up_half(half + F.pixel_shuffle(self.from_quarter(quarter), 2), condition)
        return F.pixel_shuffle(self.leave(half), 2)


class Painter(nn.Module):
    """See the module."""

    def __init__(self, config: CanvasConfig, num_actions: int) -> None:
        super().__init__()
        width = config.action_width
        self.action = nn.Linear(width, CONDITION) if width else nn.Embedding(num_actions, CONDITION)
        self.motion = nn.Linear(6, CONDITION)
        self.condition = nn.Sequential(nn.SiLU(), nn.Linear(CONDITION, CONDITION), nn.SiLU())
        self.network = UNet(3 + 3 + 3 + 1 + 1, 3 + 3, config.width, config.blocks)
        self.reach = config.continued if config.reach else 0  # a camera that never moves shows nothing new
        self.sprites = Sprites(config, num_actions) if config.sprites else None
        self.first: Tensor
        self.register_buffer("first", torch.tensor(_FIRST)[:, None, None], persistent=False)
        self.in_front: Tensor
        self.register_buffer("in_front", torch.tensor(_IN_FRONT)[:, None, None], persistent=False)

    def forward(
        self,
        last: Tensor,
        before: Tensor,
        view: Tensor,
        known: Tensor,
        action: Tensor,
        motions: Tensor,
        in_place: Tensor | None = None,
        front: Tensor | None = None,
    ) -> Painted:
        """last, before: the last two frames (B, 3, H, W). view, known: what the canvas shows, after the move. action:
        int64 (B,) or vectors (B, action_width). motions: (B, 2, 2), the last and the new (down, right) in pixels.
        in_place: what is mixed in as the last frame (what the actor made of it); None: the last frame. front:
        (1, 1, H, W), 1 at pixels of what is in front of the canvas, which has never seen it; None: nothing is."""
        seen, sure = self.seen(last, view, known)
        old, new = motions.unbind(1)
        moved = torch.cat([new, old, new - new.round()], 1) / PIXELS
        condition = self.condition(self.action(action) + self.motion(moved))
        changed = (view - last).abs().mean(1, keepdim=True)
        x = torch.cat([last - 0.5, before - 0.5, seen - 0.5, sure, changed], 1)
        made = self.network(x, condition).float()
        logits = _RANGE * torch.tanh(made[:, :3] / _RANGE) + self.first
        if front is not None:
            logits = logits + front * self.in_front
        barred = torch.cat([_BARRED * (sure == 0).to(logits.dtype), torch.zeros_like(logits[:, 1:])], 1)
        mix = ((logits - barred) * (1 if self.training else _DECISIVE)).softmax(1)
        paint = seen + made[:, 3:]
        frames = mix[:, :1] * seen + mix[:, 1:2] * (last if in_place is None else in_place) + mix[:, 2:3] * paint
        if self.sprites is not None:
            with torch.no_grad():  # they have a loss of their own
                moved, chances = self.sprites(last, before, action)
            candidates = torch.cat([frames[:, None], moved], 1)
            if not self.training:
                chances = F.normalize(chances**_DECISIVE, p=1.0, dim=1)
            frames = (chances[:, :, None] * candidates).sum(1)
            mix = torch.cat([mix * chances[:, :1], chances[:, 1:]], 1)
        return Painted(frames, paint, mix, view, known)

    def seen(self, last: Tensor, view: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """What the canvas shows, continued, and the last frame where nothing continues it; and how sure that is,
        (B, 1, H, W): 1 where it is known, up to _GUESSED where it is continued, 0 where it is the last frame."""
        if not self.reach:
            return torch.where(known > 0.5, view, last), known
        picture, trust = continued(view, known, self.reach)
        return torch.where(trust > 0, picture, last), torch.where(known > 0.5, known, _GUESSED * trust)
