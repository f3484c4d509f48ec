"""How a collection shows that it is alive: a live line on a terminal, a plain log line now and then
elsewhere.
"""

import logging
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)

_PLAIN_SECONDS = 5.0


class Reporter(Protocol):
    """Where progress goes. Used as a context manager around the whole collection."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, label: str, total: int, done: int) -> None:
        """A group begins: `total` units of work (episodes or frames), of which `done` were there already."""

    def advance(self, units: int, frames: int) -> None:
        """`units` of the group's work and `frames` frames were added."""


class SilentReporter:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def begin(self, label: str, total: int, done: int) -> None:
        """See `Reporter`."""

    def advance(self, units: int, frames: int) -> None:
        """See `Reporter`."""


class _Rate:
    """Frames per second since the collection began."""

    def __init__(self) -> None:
        self.frames = 0
        self._began = time.perf_counter()

    @property
    def per_second(self) -> float:
        return self.frames / max(time.perf_counter() - self._began, 1e-9)


class TerminalReporter(SilentReporter):
    """One bar per group, with frames per second and the time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} frames/s"),
            TimeRemainingColumn(),
            console=console or Console(stderr=True),
        )
        self._rate = _Rate()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, label: str, total: int, done: int) -> None:
        """See `Reporter`."""
        self._task = self._progress.add_task(label, total=total, completed=done, rate=0.0)

    def advance(self, units: int, frames: int) -> None:
        """See `Reporter`."""
        self._rate.frames += frames
        self._progress.update(self._task, advance=units, rate=self._rate.per_second)


class PlainReporter(SilentReporter):
    """A log line at a group's beginning and end, and every few seconds between."""

    def __init__(self) -> None:
        self._rate = _Rate()

    def begin(self, label: str, total: int, done: int) -> None:
        """See `Reporter`."""
        self._label, self._total, self._done = label, total, done
        self._last = time.perf_counter()
        self._say()

    def advance(self, units: int, frames: int) -> None:
        """See `Reporter`."""
        self._rate.frames += frames
        self._done += units
        now = time.perf_counter()
        if now - self._last >= _PLAIN_SECONDS or self._done >= self._total:
            self._last = now
            self._say()

    def _say(self) -> None:
        log.info("%s: %d of %d, %.0f frames/s", self._label, self._done, self._total, self._rate.per_second)


def default_reporter() -> Reporter:
    """A live bar where stderr is a terminal, else plain lines."""
    return TerminalReporter() if Console(stderr=True).is_terminal else PlainReporter()
