"""What a subject is, and what it draws of a batch of clips: rows of frames, and what it knows besides.

A row is a name and frames (B, N, C, H, W) that stand beside the true ones. Knows no metric.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.rows import TRUTH
from genieredux.frames import to_float

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """What was computed of the true frames of N clips before: tokens int32 (N, T, h, w), and values of rows that need
    no dynamics: metric -> row -> float (N, H).
    """

    tokens: np.ndarray
    values: Mapping[str, Mapping[str, np.ndarray]]

    def rows(self, chosen: np.ndarray) -> "Known":
        """Of some clips."""
        values = {metric: {row: of[chosen] for row, of in rows.items()} for metric, rows in self.values.items()}
        return Known(self.tokens[chosen], values)


@dataclass(frozen=True)
class Batch:
    """Some clips. indices: which of the `count` of their test set. frames: uint8 (B, P + N, H, W, 3); actions: int64
    (B, P + N - 1); prompt_frames: P. others: uint8 (B, N, H, W, 3), frames of other episodes, where they are wanted.
    """

    indices: tuple[int, ...]
    count: int
    frames: np.ndarray
    actions: np.ndarray
    prompt_frames: int
    others: np.ndarray | None = None
    known: Known | None = None

    @cached_property
    def as_floats(self) -> Tensor:
        """All frames, float32 (B, P + N, C, H, W)."""
        return to_float(self.frames)

    @property
    def prompt(self) -> Tensor:
        """float32 (B, P, C, H, W)."""
        return self.as_floats[:, : self.prompt_frames]

    @property
    def truth(self) -> Tensor:
        """What was to be predicted, float32 (B, N, C, H, W)."""
        return self.as_floats[:, self.prompt_frames :]

    @property
    def taken(self) -> Tensor:
        """The true actions, int64 (B, P + N - 1)."""
        return torch.from_numpy(self.actions)

    @property
    def repeated(self) -> Tensor:
        """The prompt's last frame in place of every predicted one, float32 (B, N, C, H, W)."""
        return self.prompt[:, -1:].expand_as(self.truth)


Row = Tensor | Callable[[Sequence[int]], Tensor]
"""Frames (B, N, C, H, W), or what draws those of some clips of the batch when somebody asks."""


@dataclass(frozen=True)
class Drawn:
    """One batch under one sampling seed.

    rows: by name; predicted: those of them that are set beside the truth; static: those that no seed changes.
    actions: int64 (B, P + N - 1), those that a row was given, of rows given others than the true ones.
    entropy: float (B, N, h, w), nats; tokens: int (B, N, h, w); true_tokens: int (B, P + N, h, w), of all true frames.
    codes: int, of any shape.
    cut: horizon t -> (frame t under the true actions, frame t where the last one is another), (B, C, H, W) both.
    number: of the seed, from 0.
    """

    batch: Batch
    rows: Mapping[str, Row]
    predicted: tuple[str, ...]
    static: frozenset[str] = frozenset()
    actions: Mapping[str, Tensor] = field(default_factory=dict)
    entropy: Tensor | None = None
    tokens: Tensor | None = None
    true_tokens: Tensor | None = None
    codes: Tensor | None = None
    cut: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    number: int = 0
    _memory: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> Tensor:
        """float32 (B, P, C, H, W)."""
        return self.batch.prompt

    @property
    def truth(self) -> Tensor:
        """float32 (B, N, C, H, W)."""
        return self.batch.truth

    def __contains__(self, row: str) -> bool:
        return row == TRUTH or row in self.rows

    def frames(self, row: str) -> Tensor:
        """A row's frames, float32 (B, N, C, H, W), drawn when first asked for."""
        if row == TRUTH:
            return self.truth
        made = self.rows[row]
        return made if isinstance(made, Tensor) else self.once(("frames", row), lambda: self.some(row))

    def some(self, row: str, clips: Sequence[int] | None = None) -> Tensor:
        """A row's frames of some clips of the batch (all where None), for whoever needs no more."""
        made = self.rows[row]
        every = range(len(self.batch.indices)) if clips is None else clips
        if isinstance(made, Tensor):
            return made[torch.as_tensor(list(every))]
        if ("frames", row) in self._memory:
            frames: Tensor = self._memory["frames", row][torch.as_tensor(list(every))]
            return frames
        return made(every)

    def actions_of(self, row: str) -> Tensor:
        """The actions that a row was given, int64 (B, P + N - 1)."""
        return self.actions.get(row, self.batch.taken)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, the first time; several metrics may rest on one number."""
        if key not in self._memory:
            self._memory[key] = make()
        value: T = self._memory[key]
        return value


class Subject(Protocol):
    """Something to be measured: a world, a tokenizer, a latent action model, a long dream, a held action."""

    offers: frozenset[str]
    """Rows and more that it draws, in the words of rows.py: a metric that needs another is left out."""
    main: str
    """The row that stands for it."""
    baseline: str
    """The row that it is set against: what makes a clip one of its worst or best."""
    static: frozenset[str]
    """Rows that need no dynamics: no sampling seed changes them."""

    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """Everything of one batch under a seed. Raises UserError where a number is none."""
        ...


def require_numbers(what: str, values: Tensor) -> Tensor:
    """The values, or a UserError where one is NaN or infinite: weights that are damaged, or far too large."""
    if not torch.isfinite(values).all():
        raise UserError(
            f"{what} that are not numbers (NaN or infinite): its weights are damaged or far too large; use another "
            f"checkpoint"
        )
    return values
