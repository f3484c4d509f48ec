"""Prioritised replay of sequences (R2D2, section 2.3), in arrays of a size that is known before anything is played.

Knows no network and no game.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.errors import UserError
from genieredux.nn.memory import free_memory, gib

SAFE = 0.8
"""Share of the free memory that a replay may take."""


@dataclass(frozen=True)
class Shape:
    """What a sequence holds: `trace` steps and the frame after them; states of `heads` networks of width `hidden`."""

    trace: int
    image_size: int
    hidden: int
    heads: int

    def fields(self) -> dict[str, tuple[tuple[int, ...], type]]:
        """name -> (shape, type) of one sequence.

        frames, and for each of them what came before it: previous_actions, extrinsic_rewards, intrinsic_rewards.
        behaviour: chance of the action at each step. length: steps that are there. ended: the game ended after the
        last. begins: it starts with an episode, so its states are zeros and nothing need be burnt in. member: who
        played. states: (heads, 2, hidden). born: environment steps that had been played.
        """
        frames = self.trace + 1
        return {
            "frames": ((frames, 1, self.image_size, self.image_size), np.uint8),
            "previous_actions": ((frames,), np.int64),
            "extrinsic_rewards": ((frames,), np.float32),
            "intrinsic_rewards": ((frames,), np.float32),
            "behaviour": ((self.trace,), np.float32),
            "length": ((), np.int64),
            "ended": ((), np.bool_),
            "begins": ((), np.bool_),
            "member": ((), np.int64),
            "states": ((self.heads, 2, self.hidden), np.float32),
            "born": ((), np.int64),
        }

    def bytes(self) -> int:
        """Of one sequence."""
        return sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in self.fields().values())


Sequence = dict[str, NDArray[Any]]
"""One sequence, or several stacked in front, by the names of `Shape.fields`."""


def check_memory(shape: Shape, capacity: int) -> None:
    """Raises UserError, with the number that fits, for a replay that is larger than memory allows."""
    needed, there = capacity * shape.bytes(), free_memory()
    if needed > SAFE * there:
        fits = int(SAFE * there // shape.bytes())
        raise UserError(
            f"replay.capacity={capacity} sequences of {shape.trace} steps need {gib(needed)} of memory, {gib(there)} "
            f"are free: set replay.capacity={fits} or less, a shorter replay.trace, or a smaller agent.image_size"
        )


class Replay:
    """The last `capacity` sequences, drawn in proportion to priority ** exponent."""

    def __init__(self, shape: Shape, capacity: int, exponent: float) -> None:
        check_memory(shape, capacity)
        self.shape, self.capacity, self.exponent = shape, capacity, exponent
        self.arrays: Sequence = {
            name: np.zeros((capacity, *size), kind) for name, (size, kind) in shape.fields().items()
        }
        self.priorities = np.zeros(capacity)
        self.added = 0

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, sequence: Sequence, priority: float) -> None:
        """Take one in, in the place of the oldest where it is full."""
        slot = self.added % self.capacity
        for name, values in self.arrays.items():
            values[slot] = sequence[name]
        self.priorities[slot] = priority
        self.added += 1

    def sample(
        self, batch: int, generator: np.random.Generator
    ) -> tuple[Sequence, NDArray[np.int64], NDArray[np.float64]]:
        """`batch` sequences, where they lie, and their chances: P(i) = p_i^exponent / sum of p_k^exponent."""
        weights = self.priorities[: len(self)] ** self.exponent
        bounds = np.cumsum(weights)
        slots = np.searchsorted(bounds, generator.random(batch) * bounds[-1], side="right")
        slots = np.minimum(slots, len(self) - 1)
        return {name: values[slots] for name, values in self.arrays.items()}, slots, weights[slots] / bounds[-1]

    def update(self, slots: NDArray[np.int64], priorities: NDArray[np.float64]) -> None:
        """What was learned from these has now these errors."""
        self.priorities[slots] = priorities

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as tensors and plain values."""
        there = len(self)
        arrays = {name: torch.from_numpy(values[:there]) for name, values in self.arrays.items()}
        return {"added": self.added, "arrays": arrays, "priorities": torch.from_numpy(self.priorities[:there])}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`. Raises ValueError where it is of another shape."""
        self.added = int(state["added"])
        for name, values in self.arrays.items():
            values[: len(self)] = state["arrays"][name].numpy()
        self.priorities[: len(self)] = state["priorities"].numpy()


def crossed(
    members: NDArray[np.int64], share: float, policies: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Who learns from the sequences that `members` (B,) played: with the chance `share` anyone of the family."""
    if not share:
        return members
    anyone = generator.integers(policies, size=len(members))
    return np.where(generator.random(len(members)) < share, anyone, members)


def importance(chances: NDArray[np.float64], size: int, exponent: float) -> NDArray[np.float32]:
    """(size * P(i)) ** -exponent, the largest scaled to 1 (Schaul et al. 2016, section 3.4); 1 for an exponent of 0."""
    weights = (size * np.maximum(chances, 1e-12)) ** -exponent
    return (weights / weights.max()).astype(np.float32)
