"""Two evaluations on the same clips, paired: what one is better by, with an interval that knows that both saw the same.

A clip is the same where its content is (frames, actions and length). It knows numbers of clips only.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genieredux.errors import UserError
from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate
from genieredux.evaluation.numbers import ClipNumbers
from genieredux.evaluation.results import json_safe


@dataclass(frozen=True)
class Difference:
    """Second minus first, of one metric and row. by_horizon: (H,); average: over the horizons, a scalar."""

    by_horizon: Estimate
    average: Estimate


@dataclass(frozen=True)
class Comparison:
    """One test set. clips, episodes: those that both evaluations have. only_first, only_second: clips that one of them
    lacks. differences: metric -> row -> second minus first.
    """

    clips: int
    episodes: int
    only_first: int
    only_second: int
    differences: dict[str, dict[str, Difference]]

    def to_json(self) -> dict[str, Any]:
        """Plain values: the fields, with estimates as {mean, low, high}."""
        safe = json_safe(asdict(self))
        assert isinstance(safe, dict)
        return safe


def compare(
    first: Mapping[str, ClipNumbers],
    second: Mapping[str, ClipNumbers],
    resamples: int = 2000,
    interval: float = 0.95,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Second minus first on the clips that both have, by test set (`numbers.read_parquet` gives the numbers of one).

    Raises UserError where they have no clip in common.
    """
    common = (name for name in first if name in second)
    tried = {name: _compare(first[name], second[name], resamples, interval, seed) for name in common}
    found = {name: one for name, one in tried.items() if one is not None}
    if not found:
        raise UserError(
            f"the two evaluations have no clip in common (test sets {', '.join(first)} and {', '.join(second)}); "
            f"evaluate both on the same data set, with the same eval.seed, eval.num_clips, eval.seq_step and frames"
        )
    return found


def _compare(first: ClipNumbers, second: ClipNumbers, resamples: int, interval: float, seed: int) -> Comparison | None:
    place = {digest: row for row, digest in enumerate(second.hashes)}
    common = [row for row, digest in enumerate(first.hashes) if digest in place]
    if not common:
        return None
    a = first.take(np.array(common))
    b = second.take(np.array([place[digest] for digest in a.hashes]))
    bootstrap = EpisodeBootstrap(a.episodes, resamples, interval, seed)
    differences: dict[str, dict[str, Difference]] = {}
    for metric, rows in a.values.items():
        for row, values in rows.items():
            other = b.values.get(metric, {}).get(row)
            if other is None:
                continue
            gap = other - values
            known = np.isfinite(gap)
            divisor = rows[a.relative[metric]] if metric in a.relative else np.ones(gap.shape)
            filled, below = np.where(known, gap, 0), np.where(known, divisor, 0)
            average = bootstrap.ratio(filled.sum(1), below.sum(1))
            differences.setdefault(metric, {})[row] = Difference(bootstrap.ratio(filled, below), average)
    only_second = len(second) - len(set(first.hashes) & set(second.hashes))
    return Comparison(len(common), bootstrap.episodes, len(first) - len(common), only_second, differences)
