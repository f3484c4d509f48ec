"""Variety for any policy: a chance of a random action, and a temperature for those that have preferences."""

from collections.abc import Sequence
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from genieredux.errors import UserError
from genieredux.policies.policy import Actions, Frames, Policy, SeededStreams, episode_seeds


@runtime_checkable
class HasLogits(Protocol):
    """A policy that can say how much it prefers each action."""

    def logits(self, frames: Frames) -> NDArray[np.floating]:
        """Unnormalised log-probabilities (N, number of actions)."""


class WithRandomActions(SeededStreams):
    """Plays `policy`, but each stream at each step takes a uniformly random action with probability `gamma`.

    temperature: None leaves the choice to the policy; a number samples from its softmax(logits /
    temperature), 0 being the likeliest action; then the policy must have `logits`. Raises `UserError` at
    values out of range.
    """

    _purpose = 1

    def __init__(self, policy: Policy, num_actions: int, gamma: float = 0.0, temperature: float | None = None) -> None:
        if not 0.0 <= gamma <= 1.0:
            raise UserError(f"agent.gamma is the probability of a random action, 0 to 1; got {gamma}")
        if temperature is not None and not (temperature >= 0.0 and np.isfinite(temperature)):
            raise UserError(f"agent.temperature must be 0 or more; got {temperature}")
        if temperature is not None and not isinstance(policy, HasLogits):
            raise UserError(f"agent.temperature means nothing to the policy '{policy.name}'; leave it out")
        self.policy = policy
        self.name = policy.name
        self.num_actions, self.gamma, self.temperature = num_actions, gamma, temperature

    def reset(self, n: int, seed: int | Sequence[int]) -> None:
        """See `Policy.reset`."""
        seeds = episode_seeds(n, seed)
        self.policy.reset(n, seeds)
        super().reset(n, seeds)

    def on_reset(self, mask: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> None:
        """See `Policy.on_reset`."""
        super().on_reset(mask, seeds)
        self.policy.on_reset(mask, self._seeds)

    def act(self, frames: Frames) -> Actions:
        """See `Policy.act`. Every stream draws the same count of numbers at each step, whatever it then
        takes.
        """
        draws = np.stack([generator.random(3) for generator in self._generators])
        if self.temperature is None:
            wanted = self.policy.act(frames)
        else:
            wanted = self._sample(cast(HasLogits, self.policy).logits(frames), draws[:, 2])
        anything = np.minimum((draws[:, 1] * self.num_actions).astype(np.int64), self.num_actions - 1)
        return np.where(draws[:, 0] < self.gamma, anything, wanted).astype(np.int64)

    def _sample(self, logits: NDArray[np.floating], draws: NDArray[np.float64]) -> Actions:
        if not self.temperature:
            return logits.argmax(axis=1)
        scaled = np.asarray(logits, dtype=np.float64) / self.temperature
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True)).cumsum(axis=1)
        return (weights < (draws * weights[:, -1])[:, None]).sum(axis=1)
