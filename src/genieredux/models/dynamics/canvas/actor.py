"""The actor: what stays in place while the picture moves under it, and changes with the action.

A camera that follows an agent keeps it at one place of the picture, where it turns, jumps and walks within a few
pixels. A convolution learns that slowly; a small network of this one square, which knows the place of every pixel,
learns it in minutes. Where the square lies is found in the data, before training begins. Knows frames, motions and
vectors of actions; no canvas of a dream, no painter.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.motion import PIXELS
from genieredux.models.dynamics.canvas.sheet import Canvas, differ

_MOVED = 1.0
"""In pixels: a picture that moved by less says nothing of what stays in place."""
_OWN = 3.0
"""How much more an error counts in the actor's own pixels."""


class Layer(nn.Module):
    """A linear layer, modulated by the condition: what a square looks like next hangs on the product of both."""

    def __init__(self, width_in: int, width: int, condition: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width)
        self.norm = nn.LayerNorm(width)
        self.modulate = nn.Linear(condition, 2 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x: (B, width_in), condition: (B, condition) -> (B, width)."""
        gain, shift = self.modulate(condition).chunk(2, 1)
        return F.silu(self.norm(self.linear(x)) * (1 + gain) + shift)


class Actor(nn.Module):
    """See the module. corner: int64 (2,), the square's upper left pixel. own: (1, 1, S, S), 1 at the actor's pixels.

    by_adamw: all of it; it learns in seconds, and to make its matrices orthogonal would take longer than all others
    (training/machine/muon.py)."""

    by_adamw = ("",)

    def __init__(self, config: CanvasConfig, actions: int) -> None:
        """actions: values of an action's vector."""
        super().__init__()
        self.side, self.margin, self.image = config.actor, config.margin, config.image_size
        self.whole = config.whole_pixels
        values, width, condition = 3 * self.side**2, config.actor_width, 4 + 2 * actions
        self.enter = Layer(2 * values, width, condition)
        self.middle = Layer(width, width, condition)
        self.leave = nn.Linear(width, values)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.corner: Tensor
        self.own: Tensor
        self.register_buffer("corner", torch.full((2,), (config.image_size - self.side) // 2))
        self.register_buffer("own", torch.ones(1, 1, self.side, self.side))

    def forward(self, last: Tensor, before: Tensor, motions: Tensor, action: Tensor, previous: Tensor) -> Tensor:
        """The last frame (B, 3, H, W) with the square as it will look, not clamped.

        last, before: the last two frames. motions: (B, 2, 2), the last and the new, in pixels. action, previous:
        vectors (B, A) of the action taken at the last frame and of the one before; 0 where there was none.
        """
        square = self._next(self._cut(last), self._cut(before), motions, action, previous)
        rows, columns = self._place()
        frames = last.clone()
        frames[..., rows, columns] = square.to(frames.dtype)
        return frames

    def everywhere(self) -> Tensor:
        """(1, 1, H, W): 1 at the actor's own pixels, 0 elsewhere."""
        rows, columns = self._place()
        whole = self.own.new_zeros(1, 1, self.image, self.image)
        whole[..., rows, columns] = self.own
        return whole

    def loss(self, frames: Tensor, motions: Tensor, actions: Tensor) -> Tensor:
        """Mean absolute error of the square, its own pixels more. In them it goes on from what it made itself.

        frames: (B, T, 3, H, W), T >= 3. motions: (B, T - 1, 2). actions: (B, T - 1, A).
        """
        before, last = self._cut(frames[:, 0]), self._cut(frames[:, 1])
        losses = []
        for t in range(2, frames.shape[1]):
            truth = self._cut(frames[:, t])
            made = self._next(last, before, motions[:, t - 2 : t], actions[:, t - 1], actions[:, t - 2])
            error = (made - truth).abs()
            losses.append(error.mean() + _OWN * (error * self.own).sum() / (len(error) * 3 * self.own.sum()))
            before, last = last, torch.where(self.own > 0, made.detach().clamp(0, 1), truth)
        return torch.stack(losses).mean()

    @torch.no_grad()
    def place(self, clips: list[tuple[Tensor, Tensor]]) -> None:
        """Find the square in clips: frames (B, T, 3, H, W) and their motions (B, T - 1, 2).

        It is where most pixels look as before though the picture moved and something else should be there; where the
        picture never moves, where it changes most.
        """
        stays = changes = clips[0][0].new_zeros(1, *clips[0][0].shape[-2:])
        moved = False
        for frames, motions in clips:
            last, new = frames[:, :-1].flatten(0, 1), frames[:, 1:].flatten(0, 1)
            changed = differ(new, last)
            changes = changes + changed.sum(0)
            far = motions.flatten(0, 1).abs().amax(1) >= _MOVED
            if far.any():
                canvas = Canvas.of(last[far], self.margin, self.whole)
                canvas.move(motions.flatten(0, 1)[far])
                view, known = canvas.view()
                stays = stays + ((1 - changed[far]) * differ(new[far], view) * known).sum(0)
                moved = True
        found = stays if moved else changes
        best = int(F.avg_pool2d(found[None], self.side, 1).argmax())
        row, column = divmod(best, found.shape[-1] - self.side + 1)
        self.corner.copy_(torch.tensor([row, column]))
        square = self._cut(found[None])
        own = (square >= square.amax() / 2).to(square.dtype)
        self.own.copy_(F.max_pool2d(own, 3, 1, 1))

    def _next(self, last: Tensor, before: Tensor, motions: Tensor, action: Tensor, previous: Tensor) -> Tensor:
        """The square (B, 3, S, S) after squares last and before."""
        condition = torch.cat([motions.flatten(1) / PIXELS, action, previous], 1)
        hidden = self.enter(torch.cat([last - 0.5, last - before], 1).flatten(1), condition)
        hidden = hidden + self.middle(hidden, condition)
        return last + self.leave(hidden).float().view_as(last)

    def _cut(self, frames: Tensor) -> Tensor:
        rows, columns = self._place()
        return frames[..., rows, columns]

    def _place(self) -> tuple[slice, slice]:
        row, column = self.corner.tolist()
        return slice(row, row + self.side), slice(column, column + self.side)
