"""What learns under `drive`, as a contract: a model on a data set, or an agent with several networks and none.

The contract and its records only. `supervised.py` satisfies it; tests/training/loop/test_drive.py shows another.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from genieredux.models.checkpoint import CheckpointData, Section
from genieredux.training.assembled import Sample


@dataclass(frozen=True)
class Step:
    """What one update gives.

    scalars: name -> observations, a tensor of any shape on the learner's device; the log has their mean since its last
    line, the progress line shows the first. latest: numbers of which the log has the last (a learning rate). counts:
    how much was learned from, over all processes: `frames` becomes frames_per_s. flops: what this process computed.
    watched: scalars that end the run when they are no finite number.
    """

    scalars: Mapping[str, Tensor]
    latest: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    flops: float = 0.0
    watched: tuple[str, ...] = ("loss", "grad_norm")


@dataclass(frozen=True)
class Check:
    """What a validation gives. means: for the log; "loss", if it is there, says which model is the best (the lowest).
    sample: more numbers, and pictures."""

    means: Mapping[str, float] = field(default_factory=dict)
    sample: Sample = field(default_factory=Sample)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds: models/checkpoint.py:save_model."""

    kind: str
    config: Mapping[str, Any]
    state_dict: Mapping[str, Tensor]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, Section] = field(default_factory=dict)


class Learner(Protocol):
    """Learns step by step. Where there are several processes each has one, and all of them make the same calls.

    For a resume to the bit: what `step(k)` does is a function of k and of what `state` and `model` hold. It may have
    `defaults`: what `config` means where a run is older than one of its keys.
    """

    @property
    def kind(self) -> str:
        """Names its model files."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """Plain values; a run is not gone on with when they differ."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its scalars are."""
        ...

    def about(self) -> dict[str, Any]:
        """Plain values for the log before the first step. ceiling_flops_per_s, if it is there, gives the MFU."""
        ...

    def step(self, k: int, elapsed: float) -> Step:
        """Update number k = 1, 2, ...; elapsed: seconds of training before it, over all executions."""
        ...

    def validate(self, k: int) -> Check | None:
        """Look at what was learned after update k; changes nothing of it. None: there is nothing to look at."""
        ...

    def model(self, k: int) -> ModelFile:
        """What others need, as of update k."""
        ...

    def state(self) -> dict[str, Any]:
        """What going on needs besides: nested dicts and lists of tensors and plain values, such as the state_dict of
        each optimiser."""
        ...

    def restore(self, model: CheckpointData, state: Mapping[str, Any]) -> None:
        """Go on from these two. Raises UserError where they do not fit."""
        ...

    def close(self) -> None:
        """Let go of threads and the like."""
        ...
