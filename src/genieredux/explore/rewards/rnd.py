"""Random network distillation (Burda et al. 2018): how wrong a network is about what another, drawn once, says of the
frame that was reached. It needs no world, and knows nothing of what actions do.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.explore.rewards.features import features
from genieredux.explore.rewards.protocol import RewardConfig, Values, Watcher, unrated
from genieredux.explore.rewards.small_nets import Trainer, seeded
from genieredux.explore.rollout import Rollout
from genieredux.frames import to_float

_SIDE = 32
_CLIP = 5.0
_OUT = 64
_ROWS = 256


class RandomDistillation:
    """Pixels are whitened by their running mean and deviation and clipped to +-5, as in the paper."""

    learns = True

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        self.config, self.watcher = config, watcher

        def net(more: bool) -> nn.Module:
            hidden = [nn.Linear(_OUT, _OUT), nn.ReLU()] if more else []
            return nn.Sequential(
                features(config.width), nn.Flatten(), nn.Linear(config.width * 16, _OUT), nn.ReLU(), *hidden,
                nn.Linear(_OUT, _OUT),
            )  # fmt: skip

        self._target = seeded(lambda: net(False), watcher.seed * 113, watcher.device)
        self._trainer = Trainer(
            seeded(lambda: net(True), watcher.seed * 113 + 1, watcher.device), config.learning_rate, watcher.seed
        )
        shape = (3, _SIDE, _SIDE)
        self._count, self._mean, self._squares = 0.0, torch.zeros(shape), torch.zeros(shape)
        self._frames = torch.zeros(0, *shape)

    @torch.no_grad()
    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        places, frames = [], []
        for piece in rollout.pieces():
            film = rollout.film(piece)[1:]
            places += [(piece.first + k, piece.env) for k in range(len(film))]
            frames += [_small(film)] if len(film) else []
        values = unrated(rollout)
        self._frames = torch.cat(frames) if frames else self._frames[:0]
        if not places:
            return values
        self._note(self._frames)
        errors = torch.cat([self._errors(part) for part in self._frames.split(_ROWS)])
        at = np.array(places)
        values[at[:, 0], at[:, 1]] = errors.cpu().numpy()
        return values

    def learn(self, epoch: int) -> Mapping[str, float]:
        """The second network learns what the first says of the frames that were reached."""
        frames = self._frames

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            return self._errors(frames[rows]).mean()

        return {"rnd_loss": self._trainer.run(len(frames), self.config.updates, epoch, loss)}

    def state(self) -> dict[str, Any]:
        """The network, its moments, and what pixels are whitened by."""
        white = {"count": self._count, "mean": self._mean, "squares": self._squares}
        return {**self._trainer.state(), **white}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._trainer.restore(state)
        self._count = float(state["count"])
        self._mean, self._squares = state["mean"].clone(), state["squares"].clone()

    def _errors(self, frames: Tensor) -> Tensor:
        deviation = (self._squares / max(self._count, 1.0)).sqrt().clamp_min(1e-2)
        white = ((frames - self._mean) / deviation).clamp(-_CLIP, _CLIP).to(self.watcher.device)
        with torch.no_grad():
            target = self._target(white)
        return F.mse_loss(self._trainer.net(white), target, reduction="none").mean(1)

    def _note(self, frames: Tensor) -> None:
        """Count frames into mean and spread."""
        count = float(len(frames))
        mean = frames.mean(0)
        apart, total = mean - self._mean, self._count + count
        self._squares = self._squares + (frames - mean).square().sum(0) + apart.square() * (self._count * count / total)
        self._mean = self._mean + apart * (count / total)
        self._count = total


def _small(film: np.ndarray) -> Tensor:
    return F.adaptive_avg_pool2d(to_float(film), _SIDE)
