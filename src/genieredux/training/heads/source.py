"""Batches that heads learn from: true transitions and those that a world drew, rare outcomes as often as frequent ones.

A batch is a function of its number alone. Knows no network.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.episodes import Dataset
from genieredux.frames import to_tensor
from genieredux.models.world.heads import OutcomeBatch, balanced
from genieredux.training.heads.dreamed import Redrawn
from genieredux.training.heads.outcomes import Table, Transitions, draw


@dataclass(frozen=True)
class OutcomeSource:
    """Transitions of a data set. redrawn: of the same ones, what a world drew; half of a batch where it is given."""

    dataset: Dataset
    transitions: Transitions
    outcomes: NDArray[np.int64]
    table: Table
    batch_size: int
    seed: int
    redrawn: Redrawn | None = None

    def batch(self, k: int) -> OutcomeBatch:
        """Batch number k."""
        rng = np.random.default_rng((self.seed, k))
        shares = balanced(torch.from_numpy(self.table.shares)).numpy()
        dreamt = self.batch_size // 2 if self.redrawn is not None else 0
        rows = draw(self.outcomes, shares, self.batch_size - dreamt, rng)
        chosen = self.transitions.take(rows)
        frames, actions = self.dataset.windows(chosen.episodes, chosen.starts, 2)
        actions, outcomes = actions[:, 0], self.outcomes[rows]
        if self.redrawn is not None:
            of = self.outcomes[self.redrawn.rows]
            picked = draw(of, shares, dreamt, rng)
            frames = np.concatenate([frames, self.redrawn.frames[picked]])
            actions = np.concatenate([actions, self.redrawn.actions[picked]])
            outcomes = np.concatenate([outcomes, of[picked]])
        return OutcomeBatch(
            frames=to_tensor(frames),
            actions=torch.from_numpy(actions)[:, None],
            outcomes=torch.from_numpy(outcomes),
        )
