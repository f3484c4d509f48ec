"""How well a reader of actions reads true transitions: accuracy, by action, confusion, chance. Counts; it knows no
network and no file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class ActionReport:
    """Predicted against true actions.

    accuracy: share that is right, 0..1. balanced: mean over actions of their own share, which no skewed policy lifts.
    per_action: action -> share of its transitions that are right (NaN: never taken). confusion: counts, a row per true
    action, a column per predicted one. chance: what guesses reach that look at no frame: `uniform`, `majority` (always
    the commonest action), `persistence` (the action before again; NaN where there is none before). transitions: all.
    """

    accuracy: float
    balanced: float
    per_action: dict[str, float]
    confusion: list[list[int]]
    chance: dict[str, float]
    transitions: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; None for NaN."""
        return {
            "accuracy": _plain(self.accuracy),
            "balanced": _plain(self.balanced),
            "per_action": {name: _plain(value) for name, value in self.per_action.items()},
            "confusion": self.confusion,
            "chance": {name: _plain(value) for name, value in self.chance.items()},
            "transitions": self.transitions,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ActionReport":
        """The inverse of `to_json`."""
        return cls(
            accuracy=_number(values["accuracy"]),
            balanced=_number(values["balanced"]),
            per_action={name: _number(value) for name, value in values["per_action"].items()},
            confusion=values["confusion"],
            chance={name: _number(value) for name, value in values["chance"].items()},
            transitions=values["transitions"],
        )


def action_report(action_names: Sequence[str], predicted: Tensor, actions: Tensor) -> ActionReport:
    """predicted, actions: int (B, K) or (K,), in the order they were taken; a negative action is left out (it parts two
    episodes, or nobody recorded it).
    """
    if predicted.shape != actions.shape:
        raise ValueError(f"predicted {tuple(predicted.shape)} and true actions {tuple(actions.shape)} must agree")
    true, guess = actions.reshape(-1, actions.shape[-1]).cpu(), predicted.reshape(-1, actions.shape[-1]).cpu()
    counts = len(action_names)
    known = true >= 0
    confusion = torch.bincount(true[known] * counts + guess[known], minlength=counts**2).view(counts, counts)
    taken = confusion.sum(1)
    right = confusion.diagonal() / taken  # NaN where never taken
    pairs = known[:, 1:] & known[:, :-1]
    again = (true[:, 1:] == true[:, :-1])[pairs]
    total = int(taken.sum())
    return ActionReport(
        accuracy=float(confusion.diagonal().sum() / total) if total else math.nan,
        balanced=float(right.nanmean()),
        per_action=dict(zip(action_names, right.tolist(), strict=True)),
        confusion=confusion.tolist(),
        chance={
            "uniform": 1 / counts,
            "majority": float(taken.max() / total) if total else math.nan,
            "persistence": float(again.float().mean()) if len(again) else math.nan,
        },
        transitions=total,
    )


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
