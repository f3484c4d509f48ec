"""Names to metrics that are ready to measure, and in one line each why one is not here. It knows no metric."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.metrics import ALWAYS, find
from genieredux.evaluation.metrics.metric import Missing, Pooled, Setting

log = logging.getLogger(__name__)

_TAKEN = (
    "clips",
    "episodes",
    "interval",
    "compare_at",
    "frames",
    "capped_frames",
    "breakdown",
    "sampling_seeds",
    "drift",
)


@dataclass(frozen=True)
class Opened:
    """metrics: by the name that asked for each. missing: name -> why it is left out."""

    metrics: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Plain values for `made_by`: of each metric that looks through a network what it is, or why it is missing."""
        found = {_key(metric): metric.describe() for metric in self.metrics.values() if hasattr(metric, "describe")}
        there = {name: about for name, about in found.items() if about}
        return {**there, **{name: {"missing": why} for name, why in self.missing.items()}}

    def share(self) -> dict[str, Any]:
        """What other processes need to open the same."""
        return {name: metric.share() for name, metric in self.metrics.items() if hasattr(metric, "share")}


def open_metrics(
    names: Iterable[str], setting: Setting, shared: Mapping[str, Any] | None = None, quiet: bool = False
) -> Opened:
    """Those that are always measured and the named ones. shared: what `Opened.share` gave in the first process. quiet:
    whoever calls says what is missing.

    Raises UserError for what the user named and that does not serve: a weights file, a class of one's own.
    """
    opened = Opened()
    for name in dict.fromkeys([*ALWAYS, *names]):
        kind = find(name)
        try:
            there = replace(setting, shared=(shared or {}).get(name))
            metric = kind.open(there) if hasattr(kind, "open") else kind()
        except Missing as why:
            if not quiet:
                log.warning("%s is left out: %s", name, why)
            opened.missing[name] = str(why)
            continue
        if metric is None:
            continue
        if not isinstance(metric, Pooled) and not (
            callable(metric) and isinstance(getattr(metric, "about", None), About)
        ):
            raise UserError(f"eval.metrics={name} is no metric: it needs `about`, an About, and to be callable")
        if _key(metric) in (*_TAKEN, *map(_key, opened.metrics.values())):
            raise UserError(
                f"eval.metrics={name} calls itself '{_key(metric)}', which is taken; give its About another name"
            )
        opened.metrics[name] = metric
    return opened


def _key(metric: Any) -> str:
    """Under which its numbers stand."""
    return metric.key if isinstance(metric, Pooled) else metric.about.name
