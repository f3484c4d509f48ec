"""Variety for any policy: a chance of a random action, a temperature for those that have preferences, and a chance
that the action before is repeated.
"""

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
        self.name, self.plays_alone = policy.name, policy.plays_alone
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


class WithStickyActions(SeededStreams):
    """Plays `policy`, but at each step after an episode's first, with `probability`, the action before is taken
    again instead of the one that the policy wants.

    The Arcade Learning Environment's sticky actions (Machado et al. 2018, who use 0.25 at every game frame), here at
    every step, which may be several game frames. Random play walks further so: an action lasts 1 / (1 - probability)
    steps on average, without the fixed rhythm of held actions. The policy is not told. Raises `UserError` unless
    `probability` is at least 0 and below 1.
    """

    _purpose = 2

    def __init__(self, policy: Policy, probability: float) -> None:
        if not 0.0 <= probability < 1.0:
            raise UserError(f"agent.sticky is a probability, at least 0 and below 1; got {probability}")
        self.policy = policy
        self.name, self.plays_alone = policy.name, policy.plays_alone
        self.probability = probability
        self._before: Actions = np.zeros(0, dtype=np.int64)
        self._fresh = np.zeros(0, dtype=bool)

    def reset(self, n: int, seed: int | Sequence[int]) -> None:
        """See `Policy.reset`."""
        seeds = episode_seeds(n, seed)
        self.policy.reset(n, seeds)
        self._before, self._fresh = np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool)
        super().reset(n, seeds)

    def on_reset(self, mask: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> None:
        """See `Policy.on_reset`."""
        super().on_reset(mask, seeds)
        self.policy.on_reset(mask, self._seeds)

    def act(self, frames: Frames) -> Actions:
        """See `Policy.act`. Every stream draws one number at each step, whatever it then takes."""
        wanted = self.policy.act(frames)
        draws = np.array([generator.random() for generator in self._generators])
        self._before = np.where((draws < self.probability) & ~self._fresh, self._before, wanted)
        self._fresh = np.zeros(len(wanted), dtype=bool)
        return self._before.copy()

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        self._fresh = self._fresh | mask
