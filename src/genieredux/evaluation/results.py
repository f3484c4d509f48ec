"""What an evaluation found. It computes nothing; docs/metrics.md has the form of the JSON, upgrade.py its older one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genieredux.evaluation.about import About
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.numbers import ClipNumbers
from genieredux.evaluation.upgrade import VERSION


@dataclass(frozen=True)
class Drift:
    """Of long dreams. plain: the JSON; truth, model: uint8 (K, P + D, S, S, 3), frames of a few clips."""

    plain: dict[str, Any]
    truth: np.ndarray
    model: np.ndarray


@dataclass(frozen=True)
class SetResult:
    """One test set. plain: the JSON; numbers: of every clip; kept: clips spread evenly, for pictures; ends: the `worst`
    and `best`; drift: of its long dreams, where they were asked.
    """

    plain: dict[str, Any]
    numbers: ClipNumbers
    kept: KeptClips | None
    ends: dict[str, KeptClips] = field(default_factory=dict)
    drift: Drift | None = None


@dataclass(frozen=True)
class Evaluation:
    """The results of one model on every test set. about: of every metric in them; seconds: what each set took."""

    config: EvalConfig
    about: tuple[About, ...]
    sets: dict[str, SetResult]
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """results.json without what made it: the same bytes for the same model, clips and configuration."""
        plain = json_safe(
            {
                "version": VERSION,
                "about": {about.name: about.to_json() for about in self.about},
                **{name: result.plain for name, result in self.sets.items()},
            }
        )
        assert isinstance(plain, dict)
        return plain


def json_safe(value: object) -> object:
    """Plain Python with None in place of NaN and infinities, which JSON has no word for. Tuples become
    lists.
    """
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return json_safe(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
