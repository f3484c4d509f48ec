"""Telling a person how far a long job is: a bar on a terminal, plain lines elsewhere. Knows no model."""

import logging
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 5.0


class ProgressLine:
    """`update` as often as there is news; on no terminal at most one line in five seconds is written."""

    def __init__(
        self,
        name: str,
        total: int,
        time_limit_s: float | None = None,
        unit: str = "step",
        console: Console | None = None,
    ) -> None:
        """total: how many units (steps, frames) there are to do."""
        self._name, self._total, self._unit = name, total, unit
        self._limit = time_limit_s
        self._last_line = float("-inf")
        self._began = time.monotonic()
        console = console or Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            description, text = TextColumn("{task.description}"), TextColumn("{task.fields[text]}")
            self._bar = Progress(description, BarColumn(), TaskProgressColumn(), text, console=console)
            self._task = self._bar.add_task(name, total=1.0, text="")

    def __enter__(self) -> "ProgressLine":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

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
        if self._bar:
            self._bar.update(self._task, completed=share, text=line)
        elif last or time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            logger.info("%s %3.0f%% · %s", self._name, 100 * share, line)


def clock(seconds: float) -> str:
    """3725 -> "1:02:05"."""
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
