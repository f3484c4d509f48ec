"""What a dream's steps earn and when dreams end: by heads that travel with a world, or by a user's own functions.

A world draws frames and knows neither rewards nor ends. Heads learned them from a data set (models/world/heads.py);
a function of one's own takes their place, for both or for one of the two. Knows no world and no dream.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from genieredux.errors import UserError
from genieredux.models.world.heads import OutcomeHeads


@dataclass(frozen=True)
class Transitions:
    """One step of N dreams, for functions that judge it.

    before, after: uint8 (N, S, S, 3), the frames that the actions were taken at and led to. actions: int64 (N,).
    entropy: float32 (N,), how unsure the world was, nats. steps: int64 (N,), of each dream so far, this one included.
    """

    before: NDArray[np.uint8]
    actions: NDArray[np.int64]
    after: NDArray[np.uint8]
    entropy: NDArray[np.float32]
    steps: NDArray[np.int64]


Judge = Callable[[Transitions], ArrayLike]
"""N numbers (rewards) or truths (whether each dream ends)."""


@dataclass(frozen=True)
class Judged:
    """rewards: float64 (N,). ends: bool (N,). infos: what else there is to know of it, name -> (N,)."""

    rewards: NDArray[np.float64]
    ends: NDArray[np.bool_]
    infos: dict[str, NDArray[Any]]


class Outcomes:
    """Judges every step: functions where they are given, else heads where there are some, else 0 and no end."""

    def __init__(
        self, heads: OutcomeHeads | None = None, reward: Judge | None = None, ends: Judge | None = None
    ) -> None:
        self._heads = None if reward is not None and ends is not None else heads
        self._reward, self._ends = reward, ends

    def judge(self, made: Transitions, generators: Sequence[np.random.Generator]) -> Judged:
        """Rewards and ends of a step. generators: one a dream; each draws one number where heads judge.

        Raises UserError where a function answers with something else than N numbers.
        """
        count = len(made.actions)
        rewards, ends, infos = np.zeros(count), np.zeros(count, bool), {}
        if self._heads is not None:
            chances = self._heads.chances(made.before, made.actions, made.after)
            drawn = np.array([generator.random() for generator in generators])
            chosen = (chances.cumsum(1) < drawn[:, None] * chances.sum(1, keepdims=True)).sum(1)
            rewards, ends = self._heads.rewards[chosen], self._heads.ends[chosen]
            infos["expected_reward"] = (chances @ self._heads.rewards).astype(np.float32)
            infos["end_chance"] = chances[:, self._heads.ends].sum(1).astype(np.float32)
        if self._reward is not None:
            rewards = _answer("reward", self._reward(made), count).astype(np.float64)
        if self._ends is not None:
            ends = _answer("ends", self._ends(made), count).astype(bool)
        return Judged(rewards, ends, infos)


def _answer(name: str, said: ArrayLike, count: int) -> NDArray[Any]:
    values = np.asarray(said)
    if values.shape != (count,) or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise UserError(
            f"the function given as {name} answers {values.dtype} {values.shape}; it must give a finite number for "
            f"each of the {count} dreams"
        )
    return values
