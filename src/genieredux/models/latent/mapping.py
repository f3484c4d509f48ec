"""Which latent action stands for which true one: counted on training data, never assumed.

A latent action model names its codes in an order of its own. Where true actions are known, counting which code goes
with which action says how to press a button in a world of latent actions, and how far that can be trusted. Knows
counts; no model, no frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genieredux.errors import UserError

MIN_SHARE = 0.05
"""A code speaks for an action only if at least this share of the action's transitions carry it."""


@dataclass(frozen=True)
class ActionMapping:
    """Counts of latent codes against true actions on training transitions, and what follows.

    counts: int64 (codes, actions). action_names: the true actions.
    """

    counts: NDArray[np.int64]
    action_names: tuple[str, ...]

    @property
    def to_latent(self) -> tuple[int, ...]:
        """For every true action the code that speaks most clearly for it: the largest P(action | code), each action
        counted as equally frequent, among the codes that it takes in MIN_SHARE of its transitions or more.
        """
        share, meaning = self._share_of_action(), self._meaning()
        return tuple(
            int(np.where(share[:, a] >= min(MIN_SHARE, share[:, a].max()), meaning[:, a], -1.0).argmax())
            for a in range(len(self.action_names))
        )

    @property
    def to_true(self) -> tuple[int, ...]:
        """For every code the action it most probably is (for a code never seen: the most frequent action)."""
        total = self.counts.sum(0)
        return tuple(int((row if row.sum() else total).argmax()) for row in self.counts)

    def accuracy(self, counts: NDArray[np.int64] | None = None) -> float:
        """Share of transitions whose true action `to_true` names; counts (codes, actions) of other transitions than
        those of the mapping tell how it generalises. Chance is the share of the most frequent action.
        """
        counted = self.counts if counts is None else counts
        return float(counted[np.arange(len(counted)), list(self.to_true)].sum() / max(1, counted.sum()))

    def information(self, counts: NDArray[np.int64] | None = None) -> float:
        """Mutual information of code and action over the action's entropy: 0 (no relation) to 1 (the code tells)."""
        counted = self.counts if counts is None else counts
        joint = counted / max(1, counted.sum())
        code, action = joint.sum(1, keepdims=True), joint.sum(0, keepdims=True)
        seen = joint > 0
        mutual = float((joint[seen] * np.log(joint[seen] / (code * action)[seen])).sum())
        entropy = float(-(action[action > 0] * np.log(action[action > 0])).sum())
        return mutual / entropy if entropy > 0 else 0.0

    def to_json(self) -> dict[str, object]:
        """Plain values, for checkpoints and reports."""
        return {"counts": self.counts.tolist(), "action_names": list(self.action_names)}

    @classmethod
    def from_json(cls, values: dict[str, object]) -> "ActionMapping":
        """What `to_json` gave. Raises UserError for anything else."""
        try:
            counts = np.asarray(values["counts"], dtype=np.int64)
            names = tuple(str(name) for name in values["action_names"])  # type: ignore[attr-defined]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(f"what codes stand for is not readable ({error}); train the model again") from error
        if counts.ndim != 2 or not names or counts.shape[1] != len(names) or counts.min(initial=0) < 0:
            raise UserError(f"codes were counted as {counts.shape} against {len(names)} actions; train the model again")
        return cls(counts, names)

    def _share_of_action(self) -> NDArray[np.float64]:
        """P(code | action), (codes, actions)."""
        return self.counts / np.maximum(1, self.counts.sum(0, keepdims=True))

    def _meaning(self) -> NDArray[np.float64]:
        """P(action | code) if all actions were equally frequent."""
        share = self._share_of_action()
        return share / np.maximum(1e-12, share.sum(1, keepdims=True))


def count_codes(
    codes: NDArray[np.int64], actions: NDArray[np.int64], num_codes: int, action_names: Sequence[str]
) -> ActionMapping:
    """Count codes int64 (...) against the true actions int64 (...) of the same transitions.

    Raises UserError where the shapes differ or an id is out of range.
    """
    if codes.shape != actions.shape:
        raise UserError(f"{codes.shape} codes for {actions.shape} actions: a transition has one of each")
    if codes.size and (codes.min() < 0 or codes.max() >= num_codes or actions.max() >= len(action_names)):
        raise UserError(f"codes go from 0 to {num_codes - 1}, actions from 0 to {len(action_names) - 1}")
    counts = np.zeros((num_codes, len(action_names)), dtype=np.int64)
    np.add.at(counts, (codes.ravel(), actions.ravel()), 1)
    return ActionMapping(counts, tuple(action_names))
