"""What a training run is made of, whatever its kind: a record that `kinds` fills and `fit` and the doctor use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from genieredux.models.checkpoint import Section
from genieredux.training.clips import DataSource


@dataclass(frozen=True)
class Sample:
    """What a look at a model gives. values: numbers for the log. pictures: uint8 (H, W, 3), or films (T, H, W, 3)."""

    values: Mapping[str, float] = field(default_factory=dict)
    pictures: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __or__(self, other: "Sample") -> "Sample":
        return Sample({**self.values, **other.values}, {**self.pictures, **other.pictures})


Look = Callable[[nn.Module, int], Sample]
"""Called with the model, in evaluation mode and without gradients, and the step, after each validation."""
Metadata = Callable[[int, Mapping[str, Any]], Mapping[str, Any]]
"""(step, what the checkpoint before said) -> the plain values that the checkpoint of this step says of the model."""


def say(values: Mapping[str, Any]) -> Metadata:
    """The same of every checkpoint."""
    return lambda step, before: values


def _say_nothing(step: int, before: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Assembled:
    """model: an nn.Module with `.kind`, `.config` and `forward(batch, generator) -> Losses`. data: what it learns from.
    validation: held-out clips. looks: what is shown of it. sections: other whole models that its file carries.
    metadata: what its file says of it.
    """

    model: nn.Module
    data: DataSource
    validation: DataSource | None = None
    looks: tuple[Look, ...] = ()
    sections: Mapping[str, Section] = field(default_factory=dict)
    metadata: Metadata = _say_nothing
