"""Which member of the family plays the next episode: a bandit over a window that slides (Agent57, section 3.2).

Sliding-window UCB with epsilon-greedy exploration (Garivier & Moulines 2008; Agent57, appendix D):

    A_k = k                                                    for the first N episodes
    A_k = argmax_a mean_k(a) + beta sqrt(1 / count_k(a))       with probability 1 - epsilon
    A_k = uniform                                              else

over the last `window` episodes only, so that an arm that fell out of it is tried again. Its reward is the undiscounted
extrinsic return of the episode. Knows no network.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


class SlidingWindowBandit:
    """N arms, the last `window` pulls and what they gave."""

    def __init__(self, arms: int, window: int, beta: float, epsilon: float) -> None:
        self.arms, self.beta, self.epsilon = arms, beta, epsilon
        self.pulls: deque[tuple[int, float]] = deque(maxlen=window)
        self.asked = 0

    def choose(self, generator: np.random.Generator) -> int:
        """The arm of the next episode. Episodes may overlap: a chosen arm counts when its return is known."""
        self.asked += 1
        if self.asked <= self.arms:
            return self.asked - 1
        explores = generator.random() < self.epsilon
        drawn = int(generator.integers(self.arms))
        return drawn if explores else self.best(self.beta)

    def update(self, arm: int, value: float) -> None:
        """An episode that `arm` played has returned `value`; the oldest one in a full window is forgotten."""
        self.pulls.append((arm, float(value)))

    def statistics(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """How often each arm stands in the window, and its mean there (0 where it does not)."""
        counts, sums = np.zeros(self.arms, np.int64), np.zeros(self.arms)
        for arm, value in self.pulls:
            counts[arm] += 1
            sums[arm] += value
        return counts, sums / np.maximum(counts, 1)

    def best(self, beta: float = 0.0) -> int:
        """The arm of the largest mean + beta sqrt(1 / count). With a bonus, arms outside the window come first."""
        counts, means = self.statistics()
        unknown = np.inf if beta else -np.inf
        with np.errstate(divide="ignore"):
            scores = np.where(counts > 0, means + beta * np.sqrt(1 / np.maximum(counts, 1)), unknown)
        return int(scores.argmax())

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain values."""
        return {"asked": self.asked, "pulls": [[arm, value] for arm, value in self.pulls]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`."""
        self.asked = int(state["asked"])
        self.pulls.clear()
        self.pulls.extend((int(arm), float(value)) for arm, value in state["pulls"])
