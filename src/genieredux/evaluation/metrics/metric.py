"""What a metric is: drawn rows and true frames to numbers. Two kinds, and one easy way to write each.

A `Metric` gives a number per clip and horizon; mean, interval, breakdown, table, column and page follow from its
`about`. A `Pooled` one gathers something of every batch and says one thing of all. The simplest is an `OfRows`:

    class Blue(OfRows):
        about = About("blue", "Difference in blue", better="lower")

        def compare(self, frames, truth):                      # (B, N, C, H, W) each -> (B, N)
            return (frames[:, :, 2] - truth[:, :, 2]).abs().mean((-1, -2))
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig, NetworksConfig
from genieredux.evaluation.networks.statistics_cache import StatisticsCache
from genieredux.evaluation.subjects.drawn import Drawn


class Missing(UserError):
    """Why a metric cannot be measured here, in one line; the others are."""


@contextmanager
def named_or_missing(name: str, named: str | None) -> Iterator[None]:
    """Opening weights: a file that somebody named must serve (a UserError says the metric's name besides), one that
    nobody named is only Missing.
    """
    try:
        yield
    except UserError as error:
        raise (UserError(f"{name}: {error}") if named else Missing(str(error))) from error


@dataclass(frozen=True)
class Setting:
    """Where a metric is opened. Picklable without `subject` and `dataset`, which other processes do not get.

    networks: where weights are; cache: of features of true frames. subject: what is measured. dataset: all its
    splits; split: that of the test sets. shared: what this metric's `share` gave in the first process.
    """

    config: EvalConfig = field(default_factory=EvalConfig)
    networks: NetworksConfig = field(default_factory=NetworksConfig)
    device: str = "cpu"
    image_size: int = 64
    action_names: tuple[str, ...] = ()
    cache: StatisticsCache | None = None
    subject: Any = None
    dataset: Any = None
    split: str = "test"
    shared: Any = None


class Openable:
    """What every metric may have, with an answer for those that need nothing."""

    beside: "tuple[Pooled, ...]" = ()
    """Measured along with it."""

    @classmethod
    def open(cls, setting: Setting) -> Any:
        """One that is ready. Raises Missing where it cannot be, UserError where what the user named does not serve."""
        del setting
        return cls()

    def share(self) -> Any:
        """What the other processes need not make again; picklable."""
        return None

    def describe(self) -> dict[str, Any] | None:
        """What made its numbers, besides the frames: plain values with an `id`; None: nothing."""
        return None


class Metric(Protocol):
    """Numbers of every clip and horizon."""

    @property
    def about(self) -> About:
        """How it describes itself."""
        ...

    def __call__(self, drawn: Drawn) -> Mapping[str, Tensor]:
        """row -> float (B, N); NaN where there is nothing to measure."""
        ...


class OfRows(Openable):
    """A metric that sets each predicted row (and those of `about.also`) beside the truth."""

    about: About
    keepable: ClassVar[bool] = False
    """Whether its numbers of static rows may be kept for the next evaluation: they depend on nothing but frames."""

    def compare(self, frames: Tensor, truth: Tensor) -> Tensor:
        """float (B, N, C, H, W) in [0, 1] both -> (B, N)."""
        raise NotImplementedError

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        return {row: self.of_row(drawn, row) for row in rows_to_measure(drawn, self.about)}

    def of_row(self, drawn: Drawn, row: str) -> Tensor:
        """(B, N), computed once however many metrics rest on it."""
        return drawn.once((self.about.name, row), lambda: self.compare(drawn.frames(row), drawn.truth))


def rows_to_measure(drawn: Drawn, about: About) -> list[str]:
    """The predicted rows and those of `about.also` that are drawn, without what is known of them already: static rows
    under a later seed, and those whose numbers were kept.
    """
    known = drawn.batch.known.values.get(about.name, {}) if drawn.batch.known else {}
    rows = [*drawn.predicted, *(row for row in about.also if row in drawn)]
    return [row for row in rows if row not in known and not (drawn.number and row in drawn.static)]


@dataclass(frozen=True)
class Pool:
    """What a pooled metric is told when all batches are there. action_names: what the actions of its rows mean."""

    clips: Clips
    config: EvalConfig
    action_names: tuple[str, ...]

    def bootstrap(self, clips: np.ndarray | None = None) -> EpisodeBootstrap:
        """Over the episodes of these clips (all where None)."""
        episodes = self.clips.episodes if clips is None else self.clips.episodes[clips]
        return EpisodeBootstrap(episodes, self.config.resamples, self.config.interval, self.config.seed)


class Pooled(Openable):
    """One answer for all clips. key: under which it stands in results.json. about: None where it is no number."""

    key: str
    about: About | None = None
    needs: tuple[str, ...] = ()

    def look(self, drawn: Drawn) -> Any:
        """What is to be gathered of one batch, in whichever process: arrays, small; None: nothing."""
        raise NotImplementedError

    def pool(self, parts: Sequence[Any], of: Pool) -> Any:
        """Plain values from all parts, in the order of the clips, in the first process."""
        raise NotImplementedError
