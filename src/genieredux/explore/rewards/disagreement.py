"""Disagreement of a few small heads (Plan2Explore, Sekar et al. 2020): where they differ, more play would teach; where
the game itself is random they come to agree on its mean.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from genieredux.explore.reward import top_mean
from genieredux.explore.rewards.protocol import RewardConfig, Values, Watcher
from genieredux.explore.rewards.small_nets import NextPicture, Small, Trainer, rated, seeded
from genieredux.explore.rollout import Rollout


class Disagreement:
    """The variance of the heads' next pictures, summed over colours, the mean of its highest places."""

    learns = True

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        assert watcher.world is not None
        self.config, self.watcher = config, watcher
        count = len(watcher.world.action_names)
        heads = [
            seeded(lambda: NextPicture(count, config.width), watcher.seed * 101 + k, watcher.device)
            for k in range(config.heads)
        ]
        self._heads = nn.ModuleList(heads)
        self._trainer = Trainer(self._heads, config.learning_rate, watcher.seed)
        self._steps: Small | None = None

    @torch.no_grad()
    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""

        def spread(steps: Small) -> torch.Tensor:
            drawn = torch.stack([head(steps) for head in self._heads])
            return top_mean(drawn.var(0, correction=0).sum(1), self.config.top)

        values, self._steps = rated(self.watcher, rollout, spread)
        return values

    def learn(self, epoch: int) -> Mapping[str, float]:
        """Every head learns from half of each batch, drawn for itself, so that they stay different."""
        steps = self._steps
        if steps is None:
            return {}

        def loss(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            batch = steps.at(rows)
            kept = torch.rand(len(self._heads), len(rows), generator=generator) < 0.5
            errors = torch.stack([head.error(batch).mean((1, 2)) for head in self._heads])  # type: ignore[operator]
            mask = kept.to(errors)
            return (errors * mask).sum() / mask.sum().clamp_min(1)

        return {"heads_loss": self._trainer.run(len(steps), self.config.updates, epoch, loss)}

    def state(self) -> dict[str, Any]:
        """The heads and their moments."""
        return self._trainer.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._trainer.restore(state)
