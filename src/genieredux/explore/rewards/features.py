"""The papers' two baselines (P25 table 6): how far the expected frame is from the true one, seen through random
features, and seen through a VAE that learns while it goes.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.explore.rewards.protocol import RewardConfig, Settled, Values, Watcher, unrated
from genieredux.explore.rewards.small_nets import Trainer, seeded
from genieredux.explore.rollout import Rollout

_LATENT = 32
_BETA = 1e-3
_SIDE = 32  # frames are reduced to it before the VAE


class RandomFeatures(Settled):
    """The mean squared difference of features of the expected and the true frame, in a convolutional network that was
    drawn once."""

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        super().__init__(config, watcher)
        self._net = seeded(lambda: features(config.width), watcher.seed * 107, watcher.device)

    @torch.no_grad()
    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        values, device = unrated(rollout), self.watcher.device
        for rows in self.watcher.look(rollout):
            expected, true = (self._net(frames.to(device)) for frames in (rows.step.frames, rows.after))
            rows.put((expected - true).square().flatten(1).mean(1), values)
        return values


class Vae(nn.Module):
    """A small convolutional VAE of frames (R, 3, 32, 32)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(features(width), nn.Flatten(), nn.Linear(width * 16, 2 * _LATENT))
        self.decoder = nn.Sequential(
            nn.Linear(_LATENT, width * 16),
            nn.ReLU(),
            nn.Unflatten(1, (width, 4, 4)),
            *(layer for _ in range(2) for layer in (nn.ConvTranspose2d(width, width, 4, 2, 1), nn.ReLU())),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
        )

    def mean(self, frames: Tensor) -> Tensor:
        """Of the latent, (R, 32)."""
        mean: Tensor = self.encoder(frames).chunk(2, 1)[0]
        return mean

    def loss(self, frames: Tensor, noise: Tensor) -> Tensor:
        """Squared error plus the divergence from a normal distribution. noise: (R, 32), normal."""
        mean, log_variance = self.encoder(frames).chunk(2, 1)
        drawn = mean + noise * (log_variance / 2).exp()
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        return F.mse_loss(self.decoder(drawn).sigmoid(), frames) + _BETA * divergence


class VaeFeatures:
    """The mean squared difference of the latents of the expected and the true frame."""

    learns = True

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        self.config, self.watcher = config, watcher
        self._vae = seeded(lambda: Vae(config.width), watcher.seed * 109, watcher.device)
        self._trainer = Trainer(self._vae, config.learning_rate, watcher.seed)
        self._frames: list[Tensor] = []

    @torch.no_grad()
    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        values, self._frames = unrated(rollout), []
        for rows in self.watcher.look(rollout):
            expected, true = (reduced(frames.to(self.watcher.device)) for frames in (rows.step.frames, rows.after))
            apart = self._vae.mean(expected) - self._vae.mean(true)  # type: ignore[operator]
            rows.put(apart.square().mean(1), values)
            self._frames.append(true)
        return values

    def learn(self, epoch: int) -> Mapping[str, float]:
        """The VAE learns from the true frames."""
        if not self._frames:
            return {}
        frames = torch.cat(self._frames)

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            noise = torch.randn(len(rows), _LATENT, generator=generator).to(frames.device)
            value: Tensor = self._vae.loss(frames[rows], noise)  # type: ignore[operator]
            return value

        return {"vae_loss": self._trainer.run(len(frames), self.config.updates, epoch, loss)}

    def state(self) -> dict[str, Any]:
        """The VAE and its moments."""
        return self._trainer.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._trainer.restore(state)


def features(width: int) -> nn.Sequential:
    """Frames (R, 3, H, W) to features (R, width, H / 8, W / 8)."""
    layers: list[nn.Module] = []
    for number in range(3):
        layers += [nn.Conv2d(3 if number == 0 else width, width, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers)


def reduced(frames: Tensor) -> Tensor:
    """Frames (R, 3, H, W) as (R, 3, 32, 32)."""
    return F.adaptive_avg_pool2d(frames, _SIDE)
