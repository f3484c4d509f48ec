"""Variety for any policy: a temperature for those that have preferences, a chance of a random action, and a chance
that the action before is repeated.
"""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from genieredux.checking import at_least, require, within
from genieredux.errors import UserError
from genieredux.policies.policy import Actions, Generators, Policy, Seen


@runtime_checkable
class HasLogits(Protocol):
    """A policy that can say how much it prefers each action."""

    def logits(self, seen: Seen) -> NDArray[np.floating]:
        """Unnormalised log-probabilities (N, number of actions). Called instead of `act`, once a step."""


class _Wrapper:
    """What wrappers share: the policy inside, and random numbers of their own."""

    def __init__(self, policy: Policy, purpose: int) -> None:
        self.policy, self.name, self.plays_alone = policy, policy.name, policy.plays_alone
        self._generators = Generators(purpose)

    def _draws(self, seen: Seen, count: int) -> NDArray[np.float64]:
        """(N, count) numbers from 0 to below 1; every stream draws as many at each step, whatever it then takes."""
        return np.stack([generator.random(count) for generator in self._generators.of(seen)])


class WithTemperature(_Wrapper):
    """Samples from the policy's softmax(logits / temperature), 0 being the likeliest action.

    Raises `UserError` where the policy has no logits.
    """

    def __init__(self, policy: Policy, num_actions: int, temperature: float) -> None:
        at_least("connector.agent.temperature", temperature, 0.0)
        if not isinstance(policy, HasLogits):
            raise UserError(f"connector.agent.temperature means nothing to the policy '{policy.name}'; leave it out")
        super().__init__(policy, purpose=3)
        self._logits, self.temperature = policy.logits, temperature

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        draws, logits = self._draws(seen, 1), np.asarray(self._logits(seen), dtype=np.float64)
        if not self.temperature:
            return logits.argmax(axis=1)
        scaled = logits / self.temperature
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True)).cumsum(axis=1)
        return (weights < draws * weights[:, -1:]).sum(axis=1)


class WithRandomActions(_Wrapper):
    """Plays `policy`, but each stream at each step takes a uniformly random action with probability `gamma`."""

    def __init__(self, policy: Policy, num_actions: int, gamma: float) -> None:
        within("connector.agent.gamma", gamma, 0.0, 1.0)
        super().__init__(policy, purpose=1)
        self.num_actions, self.gamma = num_actions, gamma

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        draws, wanted = self._draws(seen, 3), self.policy.act(seen)  # three, as existing data sets were made with
        random = np.minimum((draws[:, 1] * self.num_actions).astype(np.int64), self.num_actions - 1)
        return np.where(draws[:, 0] < self.gamma, random, wanted).astype(np.int64)


class WithStickyActions(_Wrapper):
    """Plays `policy`, but at each step after an episode's first, with `probability`, the action before is taken
    again instead of the one that the policy wants.

    The Arcade Learning Environment's sticky actions (Machado et al. 2018, who use 0.25 at every game frame), here at
    every step, which may be several game frames. Random play walks further so: an action lasts 1 / (1 - probability)
    steps on average, without the fixed rhythm of held actions. The policy learns of it at the next step.
    """

    def __init__(self, policy: Policy, num_actions: int, probability: float) -> None:
        require(0.0 <= probability < 1.0, "connector.agent.sticky", probability, "at least 0 and below 1")
        super().__init__(policy, purpose=2)
        self.probability = probability

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        draws, wanted = self._draws(seen, 1)[:, 0], self.policy.act(seen)
        return np.where((draws < self.probability) & ~seen.begun, seen.actions, wanted).astype(np.int64)
