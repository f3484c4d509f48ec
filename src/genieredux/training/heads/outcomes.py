"""The outcomes of a data set's transitions: what each earned and whether it ended its episode, as one of a few.

Knows rewards and ends, no frame and no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genieredux.episodes import Dataset
from genieredux.errors import UserError

LEVELS = 15
"""Rewards are told apart where there are so many or fewer; more are cut into so many groups of equal size."""


@dataclass(frozen=True)
class Table:
    """The outcomes there are. rewards, ends, shares: of each, (K,); shares among the transitions, they sum to 1."""

    rewards: NDArray[np.float64]
    ends: NDArray[np.bool_]
    shares: NDArray[np.float64]

    def index(self, rewards: NDArray[np.float32], ends: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The outcome of each transition (N,): of those that end alike, where there are some, the nearest reward."""
        alike = ends[:, None] == self.ends[None]
        far = np.abs(rewards[:, None].astype(np.float64) - self.rewards[None])
        return np.where(alike | ~alike.any(1, keepdims=True), far, np.inf).argmin(1)

    def __str__(self) -> str:
        rows = zip(self.rewards, self.ends, self.shares, strict=True)
        return ", ".join(f"{r:g} and {'the end' if e else 'on'}: {s:.3%}" for r, e, s in rows)


@dataclass(frozen=True)
class Transitions:
    """All transitions of some episodes, (N,) each: the episode, the frame before it, reward and end."""

    episodes: NDArray[np.int64]
    starts: NDArray[np.int64]
    rewards: NDArray[np.float32]
    ends: NDArray[np.bool_]

    @classmethod
    def of(cls, dataset: Dataset) -> "Transitions":
        """Of every episode; reads no frame."""
        terminated = dataset.index["terminated"].to_pylist()
        parts = []
        for episode in range(len(dataset)):
            rewards = dataset.truth(episode)[0]
            ends = np.zeros(len(rewards), bool)
            ends[-1:] = terminated[episode]
            parts.append((np.full(len(rewards), episode), np.arange(len(rewards)), rewards, ends))
        episodes, starts, rewards, ends = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(episodes, starts, rewards, ends)

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: NDArray[np.int64]) -> "Transitions":
        """Some of them."""
        return Transitions(self.episodes[rows], self.starts[rows], self.rewards[rows], self.ends[rows])


def outcome_table(transitions: Transitions, where: str) -> Table:
    """The outcomes of a data set. Raises UserError where all transitions are alike: there is nothing to learn."""
    values = np.unique(transitions.rewards)
    if len(values) > LEVELS:
        groups = np.array_split(np.sort(transitions.rewards), LEVELS)
        values = np.unique(np.array([group.mean() for group in groups], np.float32))
    nearest = np.abs(transitions.rewards[:, None] - values[None]).argmin(1)
    pairs, counts = np.unique(np.stack([nearest, transitions.ends], 1), axis=0, return_counts=True)
    if len(pairs) < 2:
        raise UserError(
            f"every step in {where} earns {float(values[0]):g} and none ends an episode: there is nothing for heads to "
            f"learn; give a data set with rewards, or a function of your own (docs/dream_env.md)"
        )
    return Table(values[pairs[:, 0]].astype(np.float64), pairs[:, 1].astype(bool), counts / counts.sum())


def draw(
    outcomes: NDArray[np.int64], shares: Sequence[float] | NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """`count` rows (with repeats), each of an outcome drawn by shares (K,): those that no row has are left out."""
    members = [np.flatnonzero(outcomes == k) for k in range(len(shares))]
    weights = np.array([share if len(rows) else 0.0 for share, rows in zip(shares, members, strict=True)])
    chosen = rng.choice(len(weights), size=count, p=weights / weights.sum())
    return np.array([members[k][rng.integers(len(members[k]))] for k in chosen], np.int64)
