"""Latent actions read off how the picture moved: a light body for games whose camera follows the agent.

The motion of the picture between two frames is measured (dynamics/canvas/registration.py), not learned. An encoder sees
the last motions and the new one and names the transition with a code; a decoder sees the last motions, the last frame
and the code, and must say the new motion. What the past cannot say of it is what the player did, and fits through a
few codes. Learns within a minute on one core. Knows frames; no game, no file. Where nothing scrolls it has nothing to
read: take `conv` there.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.canvas.registration import shifts
from genieredux.models.latent.actions import LatentActionModel, MotionLatentActionConfig
from genieredux.models.types import Batch, Losses
from genieredux.nn.quantize import Quantised

_PLACES = 16
"""The decoder sees the last frame with so many places a side: where ground and walls are."""
_LEAST = 0.05
"""In pixels: a typical change of the motion along an axis is taken to be at least this."""


class MotionLatentActions(LatentActionModel):
    """See the module."""

    settings = MotionLatentActionConfig

    def __init__(self, config: MotionLatentActionConfig | None = None) -> None:
        config = MotionLatentActionConfig() if config is None else config
        super().__init__(config)
        width = config.width
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(2))
        self.to_action = nn.Sequential(
            nn.Linear(6, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, config.dim),
            nn.LayerNorm(config.dim),
        )
        self.see = nn.Sequential(nn.Linear(config.channels * _PLACES**2, width), nn.SiLU())
        self.expect = nn.Sequential(
            nn.Linear(width + 4 + config.dim, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )

    @torch.no_grad()
    def look_first(self, batches: Iterable[Batch]) -> None:
        """By how much motions change along either axis: an error counts by that, so that neither axis drowns the
        other."""
        changes = [
            self._led(batch.frames).diff(dim=1).abs().mean((0, 1)) for batch in batches if batch.frames is not None
        ]
        self.scale.copy_(torch.stack(changes).mean(0).clamp(min=_LEAST))

    def forward(self, batch: Batch, generator: torch.Generator | None = None) -> Losses:
        """See `losses`; motions are measured once."""
        if batch.frames is None:
            raise ValueError("a latent action model trains on frames, and this batch has none")
        led = self._led(batch.frames)
        return self._losses(batch.frames, led, self.quantizer(self._named(led), generator))

    def losses(self, frames: Tensor, quantised: Quantised) -> Losses:
        """The error of the motions, of transitions already quantised: smooth L1, in typical changes of the motion.

        parts: reconstruction (that error), quantizer, perplexity, and in evaluation mode psnr and control of the last
        frame moved as the decoder says (see LatentActionModel.losses).
        """
        return self._losses(frames, self._led(frames), quantised)

    def features(self, frames: Tensor) -> Tensor:
        return self._named(self._led(frames))

    def draw(self, frames: Tensor, vectors: Tensor) -> Tensor:
        return _moved(frames, self._expected(frames, self._until(self._led(frames), frames.shape[1]), vectors))

    def _losses(self, frames: Tensor, led: Tensor, quantised: Quantised) -> Losses:
        shown = frames[:, :-1]
        before = self._until(led[:, :-1], shown.shape[1])
        expected = self._expected(shown, before, quantised.vectors)
        error = F.smooth_l1_loss(expected / self.scale, led / self.scale)
        parts = {"reconstruction": error, "quantizer": quantised.loss, "perplexity": quantised.perplexity}
        if not self.training:
            other = self._expected(shown, before, quantised.vectors.roll(1, 0).flip(1))
            wrong, right = (F.mse_loss(_moved(shown, way), frames[:, 1:]) for way in (other, expected))
            parts |= {"psnr": -10 * right.log10(), "control": 10 * (wrong / right).log10()}
        total = error + self.config.vq_weight * quantised.loss
        return Losses(total, {name: part.detach() for name, part in parts.items()})

    def _led(self, frames: Tensor) -> Tensor:
        """Motions float32 (B, T - 1, 2) in pixels between frames (B, T, C, H, W)."""
        assert isinstance(self.config, MotionLatentActionConfig)
        grey = frames.mean(2, keepdim=True).expand(-1, -1, 3, -1, -1) if frames.shape[2] != 3 else frames
        with torch.no_grad():
            found = shifts(grey[:, :-1].flatten(0, 1), grey[:, 1:].flatten(0, 1), self.config.reach)
        return found.view(len(frames), -1, 2)

    def _until(self, led: Tensor, count: int) -> Tensor:
        """The two motions (B, count, 4) before each of `count` transitions; before the first ones, none."""
        last = F.pad(led, (0, 0, 1, 0))[:, :count]
        return torch.cat([last, F.pad(last, (0, 0, 1, 0))[:, :count]], -1)

    def _named(self, led: Tensor) -> Tensor:
        """What the codebook reads of motions (B, T - 1, 2)."""
        steps = led.shape[1]
        return self.to_action(torch.cat([led, self._until(led[:, :-1], steps)], -1) / self.scale.repeat(3))

    def _expected(self, frames: Tensor, before: Tensor, vectors: Tensor) -> Tensor:
        """The motions (B, T, 2) that follow frames (B, T, C, H, W), the motions (B, T, 4) before and vectors."""
        seen = self.see(F.adaptive_avg_pool2d(frames.flatten(0, 1), _PLACES).flatten(1)).unflatten(0, before.shape[:2])
        change = self.expect(torch.cat([seen, before / self.scale.repeat(2), vectors], -1))
        return before[..., :2] + change * self.scale


def _moved(frames: Tensor, motions: Tensor) -> Tensor:
    """Frames (B, T, C, H, W), each moved by (down, right) pixels (B, T, 2); at the border its edge is carried on."""
    flat, shift = frames.flatten(0, 1).float(), motions.flatten(0, 1)
    height, width = flat.shape[-2:]
    theta = torch.eye(2, 3, device=flat.device).repeat(len(flat), 1, 1)
    theta[:, :, 2] = -shift.flip(1) * 2 / shift.new_tensor([width, height])
    grid = F.affine_grid(theta, list(flat.shape), align_corners=False)
    return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(frames)
