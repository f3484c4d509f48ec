"""Which action does a transition show, and is it the one that was taken?

A transition that shows nothing (RIGHT against a wall, any key in mid-air) cannot be told: the accuracy on true frames
is the ceiling of what a dream can reach, and chance is its floor.
"""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Missing, Openable, Pool, Pooled, Setting
from genieredux.evaluation.rows import ACTIONS, RANDOM_ACTIONS, TRUTH
from genieredux.evaluation.subjects.drawn import Drawn

log = logging.getLogger(__name__)


class ShowsActions(Protocol):
    """What names the action of each transition; `actions.inverse_dynamics.InverseDynamics` does."""

    def predict(self, frames: Tensor) -> Tensor:
        """frames: (B, T, C, H, W) -> int64 (B, T-1)."""
        ...


class ActionAccuracy(Openable):
    """Share of transitions that show the action that was given, read by a network that learned from true ones.

    Rows: the predicted ones, `truth`, and `random_actions` beside the random actions it was given.
    """

    about = About(
        "action_accuracy",
        "Action accuracy",
        better="higher",
        needs=(ACTIONS,),
        also=(TRUTH, RANDOM_ACTIONS),
        first_seed_only=True,
    )

    def __init__(self, reader: ShowsActions) -> None:
        self.reader = reader
        self.beside = (ActionConfusion(self),)

    @classmethod
    def open(cls, setting: Setting) -> "ActionAccuracy":
        """Learns from the split `train`: minutes the first time, later it is read from the user's cache."""
        return cls(setting.shared or _learn(setting))

    def share(self) -> ShowsActions:
        """See Openable."""
        return self.reader

    def describe(self) -> dict[str, Any] | None:
        """The network, how well it reads true transitions that it never saw, and how long it took to learn."""
        reader: Any = self.reader
        if not hasattr(reader, "held_out"):
            return None
        return {"id": reader.id, "held_out": reader.held_out.to_json(), "seconds": reader.seconds}

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        return {row: (given == shown).float() for row, (given, shown) in self.read(drawn).items()}

    def read(self, drawn: Drawn) -> dict[str, tuple[Tensor, Tensor]]:
        """row -> the action given and the one shown, int64 (B, N) both."""
        return drawn.once(("action_accuracy", "read"), lambda: self._read(drawn))

    def _read(self, drawn: Drawn) -> dict[str, tuple[Tensor, Tensor]]:
        first = drawn.batch.prompt_frames - 1
        rows = [*drawn.predicted, *(row for row in self.about.also if row in drawn)]
        return {
            row: (
                drawn.actions_of(row)[:, first:],
                self.reader.predict(torch.cat([drawn.prompt, drawn.frames(row)], 1)).cpu()[:, first:],
            )
            for row in rows
        }


class ActionConfusion(Pooled):
    """Which action was given, which is shown: counts by row."""

    key = "action_confusion"
    needs = (ACTIONS,)

    def __init__(self, accuracy: ActionAccuracy) -> None:
        self._accuracy = accuracy

    def look(self, drawn: Drawn) -> dict[str, np.ndarray]:
        """row -> int16 (B, N, 2)."""
        read = self._accuracy.read(drawn)
        return {row: torch.stack(pair, -1).numpy().astype(np.int16) for row, pair in read.items()}

    def pool(self, parts: Sequence[dict[str, np.ndarray]], of: Pool) -> dict[str, list[list[int]]]:
        """row -> counts, a row per action given, a column per action shown."""
        count = len(of.action_names)
        return {row: confusion(np.concatenate([part[row] for part in parts]), count) for row in parts[0]}


def confusion(pairs: np.ndarray, count: int) -> list[list[int]]:
    """pairs: int (..., 2), the action given and the one shown -> counts (count, count)."""
    given, shown = pairs.reshape(-1, 2).astype(np.int64).T
    counts: list[list[int]] = np.bincount(given * count + shown, minlength=count**2).reshape(count, count).tolist()
    return counts


def _learn(setting: Setting) -> ShowsActions:
    from genieredux.evaluation.actions.inverse_dynamics import train_inverse_dynamics
    from genieredux.evaluation.clips.testsets import splits_to_test

    dataset = setting.dataset
    if dataset is None:
        raise Missing("it learns from a data set, and there is none here")
    if tuple(dataset.spec.action_names) != setting.action_names:
        raise Missing("it reads the actions of the data set, and this model is given others")
    if "train" not in dataset.index["split"].to_pylist():
        raise Missing(f"{dataset.path} has no split 'train' to learn from how each action looks")
    held_out = dataset.select(split=splits_to_test(dataset, setting.split))
    return train_inverse_dynamics(dataset.select(split="train"), held_out, progress=_say_how_far)


def _say_how_far(done: int, steps: int, loss: float) -> None:
    """A line at the beginning and every fifth of the way; none where the model was kept from an earlier time."""
    if done == 1 or done % max(steps // 5, 1) == 0:
        log.info("action_accuracy: learning how each action looks, step %d of %d, loss %.3f", done, steps, loss)
