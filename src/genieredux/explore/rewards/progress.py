"""Learning progress: how much less wrong about a step is what has learned since (LPM, arXiv 2509.25438). What nobody
can learn, and what all know by now, earn nothing.

Between rounds it compares two worlds, that of the round before and that of now; within one round, where the world does
not learn, two ages of one small head.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from genieredux.explore.reward import top_mean
from genieredux.explore.rewards.protocol import RewardConfig, Settled, Values, Watcher, unrated
from genieredux.explore.rewards.small_nets import NextPicture, Small, Trainer, rated, seeded
from genieredux.explore.rollout import Rollout
from genieredux.models.world.protocol import World


class Progress:
    """The one of the two that reward.previous_fpath asks for."""

    def __new__(cls, config: RewardConfig, watcher: Watcher) -> Any:
        """A `WorldProgress` where there is a world of the round before, else a `HeadProgress`."""
        return (HeadProgress if watcher.previous is None else WorldProgress)(config, watcher)


class WorldProgress(Settled):
    """The error of the world before less that of the world now, on the same steps; 0 where it grew.

    The error is that of the pixels (absolute, averaged), which means the same whatever tokens a world has.
    """

    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        assert self.watcher.previous is not None
        before, now = (self._errors(rollout, world) for world in (self.watcher.previous, self.watcher.world))
        return np.maximum(before - now, 0)

    def _errors(self, rollout: Rollout, world: World | None) -> Values:
        values = unrated(rollout)
        for rows in self.watcher.look(rollout, world):
            rows.put((rows.step.frames.cpu() - rows.after).abs().mean((-3, -2, -1)), values)
        return values


class HeadProgress:
    """The error of a head as it was reward.lag epochs ago less its error now, at the places where it fell the most."""

    learns = True

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        assert watcher.world is not None
        self.config, self.watcher = config, watcher
        count = len(watcher.world.action_names)
        self._head = seeded(lambda: NextPicture(count, config.width), watcher.seed * 103, watcher.device)
        self._trainer = Trainer(self._head, config.learning_rate, watcher.seed)
        self._old = seeded(lambda: NextPicture(count, config.width), watcher.seed * 103, watcher.device)
        self._past = [_weights(self._head)]
        self._steps: Small | None = None

    @torch.no_grad()
    def rate(self, rollout: Rollout) -> Values:
        """0 and more."""
        self._old.load_state_dict(self._past[0])

        def fallen(steps: Small) -> torch.Tensor:
            less = self._old.error(steps) - self._head.error(steps)  # type: ignore[operator]
            return top_mean(less, self.config.top).clamp_min(0)

        values, self._steps = rated(self.watcher, rollout, fallen)
        return values

    def learn(self, epoch: int) -> Mapping[str, float]:
        """The head learns; its weights join those of before."""
        steps = self._steps
        if steps is None:
            return {}

        def loss(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
            error: torch.Tensor = self._head.error(steps.at(rows))  # type: ignore[operator]
            return error.mean()

        mean = self._trainer.run(len(steps), self.config.updates, epoch, loss)
        self._past = [*self._past, _weights(self._head)][-self.config.lag - 1 :]
        return {"head_loss": mean}

    def state(self) -> dict[str, Any]:
        """The head, its moments, its weights of the epochs before."""
        return {**self._trainer.state(), "past": list(self._past)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self._trainer.restore(state)
        self._past = [copy.deepcopy(weights) for weights in state["past"]]


def _weights(net: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}
