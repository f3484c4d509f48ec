"""What of a group of episodes is stored, what is to be played next, and which of the played ones belong into it."""

import heapq
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Generic, TypeVar

from genieredux.collect.plan import Group, Planned
from genieredux.episodes.block_file import EpisodeMeta
from genieredux.errors import UserError

T = TypeVar("T")


class Ledger(Generic[T]):
    """The books of one group: hands out episodes to play, and lets through those that belong into the data set.

    An amount in episodes takes them as they come. An amount in frames takes the first episodes of the plan that reach
    it, whatever the order in which they end: one is let through as soon as those before it cannot reach the amount
    without it, so the same episodes are stored on every machine. Raises `UserError` where a stored episode is not
    what the plan says.
    """

    def __init__(self, group: Group, stored: Mapping[str, EpisodeMeta]) -> None:
        self._group, self._stored = group, stored
        self._plan = group.episodes()
        self._ahead: list[Planned] = []  # the plan from the first episode on that is not known to be there
        self._lengths: dict[int, int] = {}  # of episodes that arrived
        self._waiting: dict[int, T] = {}  # those of them not yet let through
        self._to_play = (planned for planned in group.episodes() if planned.id not in stored)
        self._returned: list[tuple[int, Planned]] = []
        self._in_flight = 0
        self._counted = 0  # units of the plan's beginning
        self.episodes = self.frames = 0
        """How many are in the data set, those that this ledger let through included."""
        self._settle()

    @property
    def total(self) -> int:
        """The wanted amount: frames, or episodes."""
        return self._group.num_frames or self._group.num_episodes or 0

    def is_complete(self) -> bool:
        """Nothing more is wanted."""
        return self._counted >= self.total

    @property
    def mean_length(self) -> float | None:
        """Frames per episode so far; None before any is known."""
        return self.frames / self.episodes if self.episodes else None

    def expected_frames(self, mean_length: float) -> float:
        """Frames in the end; `mean_length` is what to think of episodes not yet played."""
        if self._group.num_frames:
            return max(self._group.num_frames, self.frames)
        return self.frames + (self.total - self.episodes) * mean_length

    def missing(self) -> int:
        """About how many episodes are still to be handed out."""
        if self.is_complete():
            return 0
        if self._group.num_frames is None:
            return self.total - self.episodes - len(self._waiting) - self._in_flight
        mean = self.mean_length or self._group.max_length
        waiting = sum(self._lengths[number] for number in self._waiting)
        left = self.total - self.frames - waiting - self._in_flight * mean
        return max(len(self._returned), -int(-left // mean))

    def take(self, most: int) -> tuple[Planned, ...]:
        """Up to `most` episodes to play now: those given back first, then in the order of the plan."""
        taken: list[Planned] = []
        for _ in range(min(most, self.missing())):
            planned = heapq.heappop(self._returned)[1] if self._returned else next(self._to_play, None)
            if planned is None:
                break
            taken.append(planned)
        self._in_flight += len(taken)
        return tuple(taken)

    def give_back(self, planned: Planned) -> None:
        """An episode that was handed out was not played; it will be handed out again."""
        heapq.heappush(self._returned, (planned.number, planned))
        self._in_flight -= 1

    def to_play(self) -> Iterator[Planned]:
        """All episodes still to be played, without end where the amount is in frames: for whoever stops by himself."""
        return chain((planned for _, planned in sorted(self._returned)), self._to_play)

    def arrived(self, planned: Planned, length: int, item: T) -> list[T]:
        """Takes a finished episode; returns those that are to be stored now, in the plan's order."""
        self._in_flight = max(self._in_flight - 1, 0)
        if planned.number in self._lengths:
            return []
        self._lengths[planned.number] = length
        self._waiting[planned.number] = item
        return self._settle()

    def _settle(self) -> list[T]:
        """Let through what belongs into the data set whatever the unknown episodes turn out to be."""
        ready: list[T] = []
        bound, whole, seen = self._counted, 0, 0  # the most that can lie before the next; is the beginning known
        while bound < self.total and (self._waiting or whole == seen):
            planned = self._planned(seen)
            if planned is None:
                break
            length = self._length(planned)
            if planned.number in self._waiting:
                ready.append(self._waiting.pop(planned.number))
                self._add(length or 0)
            bound += self._units(length if length is not None else self._group.max_length)
            if length is not None and whole == seen:
                whole, self._counted = seen + 1, bound
                if planned.id in self._stored:
                    self._add(length)
            seen += 1
        del self._ahead[:whole]
        if self.is_complete():
            self._waiting.clear()
        return ready

    def _planned(self, place: int) -> Planned | None:
        """The plan's episode at a place of `_ahead`."""
        if place == len(self._ahead):
            if (planned := next(self._plan, None)) is None:
                return None
            self._ahead.append(planned)
        return self._ahead[place]

    def _length(self, planned: Planned) -> int | None:
        if planned.id not in self._stored:
            return self._lengths.get(planned.number)
        found = self._stored[planned.id]
        if found.instance != planned.start.instance:
            raise UserError(
                f"split '{self._group.split}': episode {found.id} is stored with level {found.instance}, now it would "
                f"be {planned.start.instance}: start_level or n_instances changed; rename the split"
            )
        return found.length

    def _units(self, length: int) -> int:
        return length if self._group.num_frames else 1

    def _add(self, length: int) -> None:
        self.episodes += 1
        self.frames += length
