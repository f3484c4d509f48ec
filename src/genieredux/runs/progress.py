"""Telling a person how far a long job is: a bar on a terminal, plain lines elsewhere. Knows no model."""

import logging
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


class Display:
    """One line that changes: a bar on a terminal, on none a log line at most every five seconds."""

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._name = name
        self._last_line = float("-inf")
        console = console or Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            description, text = TextColumn("{task.description}"), TextColumn("{task.fields[text]}")
            self._bar = Progress(description, BarColumn(), TaskProgressColumn(), text, console=console)
            self._task = self._bar.add_task(name, total=1.0, text="")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, share: float, text: str, last: bool = False) -> None:
        """share: of the work that is done, 0 to 1. last: this is written in any case."""
        if self._bar:
            self._bar.update(self._task, completed=share, text=text)
        elif last or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            logger.info("%s %3.0f%% · %s", self._name, 100 * share, text)


class ProgressLine(Display):
    """How far units of work (steps, frames) are; `update` as often as there is news."""

    def __init__(
        self,
        name: str,
        total: int,
        time_limit_s: float | None = None,
        unit: str = "step",
        console: Console | None = None,
    ) -> None:
        """total: how many units there are to do."""
        super().__init__(name, console)
        self._total, self._unit, self._limit = total, unit, time_limit_s
        self._began = time.monotonic()

    def advance_to(self, done: int, total: int) -> None:
        """For work at a steady rate: `done` of `total` units are finished."""
        elapsed = time.monotonic() - self._began
        self._total = total
        self.update(done, elapsed, done / max(elapsed, 1e-9), last=done >= total)

    def update(self, done: int, elapsed: float, rate: float, text: str = "", last: bool = False) -> None:
        """done: units so far; elapsed: seconds so far; rate: units a second; text: e.g. the loss."""
        share = done / self._total
        left = (self._total - done) / rate if rate > 0 else float("inf")
        if self._limit is not None:
            share = max(share, min(1.0, elapsed / self._limit))
            left = min(left, max(0.0, self._limit - elapsed))
        total = f"/{self._total}" if self._limit is None else ""
        line = f"{self._unit} {done}{total} · {text}{' · ' if text else ''}"
        line += f"{rate:.4g} {self._unit}s/s · {clock(left)} left"
        self.show(share, line, last)


def clock(seconds: float) -> str:
    """3725 -> "1:02:05"."""
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
