"""How a collection shows that it is alive: one live line over all games on a terminal, a plain log line now and then
elsewhere.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console

from genieredux.collect.schedule import Work
from genieredux.runs.progress import Display, clock

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

    def __str__(self) -> str:
        return (
            f"{self.games_done} of {self.games} games, {self.frames:,} of about {self.expected:,} frames, "
            f"{self.rate:,.0f} frames/s, {clock(self.seconds_left)} left"
        )


class SilentReporter:
    """Where progress goes, used as a context manager around the whole collection. This one says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, standing: Standing) -> None:
        """The collection now stands so."""


class DisplayReporter(Display, SilentReporter):
    """One line over all games, with frames per second and the time left."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__("collecting", console)
        self._last: Standing | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._last is not None:
            self._show(self._last, last=True)
        super().__exit__(kind, error, trace)

    def update(self, standing: Standing) -> None:
        """See `SilentReporter`."""
        self._last = standing
        self._show(standing)

    def _show(self, standing: Standing, last: bool = False) -> None:
        self.show(standing.frames / max(standing.expected, 1), str(standing), last)


class Tally:
    """Counts what is played and stored over all groups, and lets a reporter show it."""

    def __init__(self, works: Sequence[Work], reporter: SilentReporter) -> None:
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
