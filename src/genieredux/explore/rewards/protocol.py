"""What a reward is to the learner: a number for every step that was played, perhaps something it learns, and a state.

Values are float32 (T, N); NaN says that a step cannot be rated (too early in its episode, or its frame was not seen).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.explore.reward_config import RewardConfig
from genieredux.explore.rollout import Rollout
from genieredux.explore.watching import LANES, Doubted, Expected, ahead, follow, watch
from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import World

Values = NDArray[np.float32]

__all__ = ["Reward", "RewardConfig", "Settled", "Values", "Watcher", "unrated"]


@dataclass(frozen=True)
class Watcher:
    """How rewards look at play. world: what is to be unsure; None where a reward needs none. lanes: dreams at once.
    ahead: predicted frames of the papers' reward. sampling: how those are drawn; None: as the world says. device: of
    small networks. seed: of what is drawn."""

    world: World | None
    previous: World | None = None
    lanes: int = LANES
    ahead: int = 3
    sampling: Sampling | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0

    def look_ahead(self, rollout: Rollout) -> Iterator[Expected]:
        """As the papers do: watching.ahead."""
        assert self.world is not None
        return ahead(self.world, rollout, self.ahead, lanes=self.lanes, sampling=self.sampling, seed=self.seed)

    def look(self, rollout: Rollout, world: World | None = None) -> Iterator[Expected]:
        """Step by step: watching.follow."""
        chosen = world or self.world
        assert chosen is not None
        return follow(chosen, rollout, self.lanes)

    def watch(self, rollout: Rollout, whole: bool = False) -> Iterator[Doubted]:
        """Step by step, where what the world expected need not be drawn: watching.watch."""
        assert self.world is not None
        return watch(self.world, rollout, self.lanes, whole)


class Reward(Protocol):
    """Rates what was played; may learn from it afterwards."""

    learns: bool
    """Whether what it says of the same play changes while it learns: then returns of two epochs are not comparable."""

    def rate(self, rollout: Rollout) -> Values:
        """float32 (T, N), NaN where a step cannot be rated."""
        ...

    def learn(self, epoch: int) -> Mapping[str, float]:
        """Learn from what was rated last; numbers for the log."""
        ...

    def state(self) -> dict[str, Any]:
        """Tensors and plain values that `restore` takes."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        ...


class Settled:
    """A reward that learns nothing: what its other methods are."""

    learns = False

    def __init__(self, config: RewardConfig, watcher: Watcher) -> None:
        self.config, self.watcher = config, watcher

    def learn(self, epoch: int) -> Mapping[str, float]:
        """Nothing is learned."""
        return {}

    def state(self) -> dict[str, Any]:
        """Nothing is to be remembered."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was remembered."""


def unrated(rollout: Rollout) -> Values:
    """Values (T, N) of which none is known yet."""
    return np.full(rollout.shape, np.nan, np.float32)
