"""How a collection shows that it is alive: one live line over all games on a terminal, a plain log line now and then
elsewhere.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from genieredux.collect.schedule import Work

log = logging.getLogger(__name__)

_PLAIN_SECONDS = 5.0
_SHOW_SECONDS = 0.1


@dataclass(frozen=True)
class Standing:
    """How far a collection is. frames: there already, those being played included. expected: frames in the end, as far
    as can be told. played: of `frames`, those of this run. episodes: stored by this run. seconds: of this run.
    """

    frames: int
    expected: int
    played: int
    episodes: int
    games_done: int
    games: int
    seconds: float

    @property
    def rate(self) -> float:
        """Frames per second of this run."""
        return self.played / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float:
        """At this rate; infinite while nothing was played."""
        return (self.expected - self.frames) / self.rate if self.rate else float("inf")

    @property
    def time_left(self) -> str:
        """As `0:01:30`; `?` while nothing was played."""
        return str(timedelta(seconds=round(self.seconds_left))) if self.rate else "?"

    def __str__(self) -> str:
        return (
            f"{self.games_done} of {self.games} games, {self.frames:,} of about {self.expected:,} frames, "
            f"{self.rate:,.0f} frames/s, {self.time_left} left"
        )


class Reporter(Protocol):
    """Where progress goes. Used as a context manager around the whole collection."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, standing: Standing) -> None:
        """The collection now stands so."""


class SilentReporter:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, standing: Standing) -> None:
        """See `Reporter`."""


class TerminalReporter(SilentReporter):
    """One bar over all games, with frames per second and the time left."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("collecting"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[text]}"),
            console=console or Console(stderr=True),
        )
        self._task = self._progress.add_task("", total=None, text="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, standing: Standing) -> None:
        """See `Reporter`."""
        text = (
            f"{standing.games_done}/{standing.games} games, {standing.frames:,} frames, {standing.rate:,.0f}/s, "
            f"{standing.time_left} left"
        )
        self._progress.update(self._task, completed=standing.frames, total=standing.expected, text=text)


class PlainReporter(SilentReporter):
    """A log line at the beginning and the end, and every few seconds between."""

    def __init__(self) -> None:
        self._said: Standing | None = None
        self._last: Standing | None = None

    def __exit__(self, *_: object) -> None:
        if self._last is not None and self._last is not self._said:
            self._say(self._last)

    def update(self, standing: Standing) -> None:
        """See `Reporter`."""
        self._last = standing
        if self._said is None or standing.seconds - self._said.seconds >= _PLAIN_SECONDS:
            self._say(standing)

    def _say(self, standing: Standing) -> None:
        self._said = standing
        log.info("%s", standing)


class Tally:
    """Counts what is played and stored over all groups, and lets a reporter show it."""

    def __init__(self, works: Sequence[Work], reporter: Reporter) -> None:
        self._works, self._reporter = works, reporter
        self._began = time.monotonic()
        self._shown = float("-inf")
        self._before = sum(work.ledger.frames for work in works)
        self._played = self._episodes = 0

    def count(self, frames: int = 0, episodes: int = 0) -> None:
        """So many frames were played and so many episodes stored since the last call."""
        self._played += frames
        self._episodes += episodes
        if time.monotonic() - self._shown >= _SHOW_SECONDS or episodes:
            self.show()

    def show(self) -> None:
        """Report now."""
        self._shown = time.monotonic()
        known = [work.ledger.mean_length for work in self._works if work.ledger.mean_length]
        mean = sum(known) / len(known) if known else None
        expected, games, open_games = 0.0, set(), set()
        for work in self._works:
            games.add(work.group.game)
            if work.is_open:
                open_games.add(work.group.game)
                guess = work.ledger.mean_length or mean or work.group.max_length
                expected += work.ledger.expected_frames(guess)
            else:
                expected += work.ledger.frames
        frames = self._before + self._played
        self._reporter.update(
            Standing(
                frames=frames,
                expected=max(round(expected), frames),
                played=self._played,
                episodes=self._episodes,
                games_done=len(games) - len(open_games),
                games=len(games),
                seconds=time.monotonic() - self._began,
            )
        )


def default_reporter() -> Reporter:
    """A live bar where stderr is a terminal, else plain lines."""
    return TerminalReporter() if Console(stderr=True).is_terminal else PlainReporter()
