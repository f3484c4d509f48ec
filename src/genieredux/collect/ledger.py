"""What of a group of episodes is stored, what is still to be played, and in which order it is stored."""

from collections.abc import Iterator, Mapping

from genieredux.collect.plan import Group, Planned
from genieredux.collect.play import Played
from genieredux.episodes.blocks import EpisodeMeta
from genieredux.errors import UserError


class Ledger:
    """What of a group is stored, and what is next: episodes are stored in the order of the plan, up to the
    wanted amount.

    So a data set cut off at any moment is a beginning of the whole one, and an amount in frames is reached by
    the same episodes on every machine. Raises `UserError` where a stored episode is not what the plan says.
    """

    def __init__(self, group: Group, stored: Mapping[str, EpisodeMeta]) -> None:
        self._group, self._stored = group, stored
        self._plan = group.episodes()
        self._next = next(self._plan, None)
        self._waiting: dict[int, Played] = {}
        self._frames = self._episodes = 0
        self._skip_stored()

    @property
    def total(self) -> int:
        """The wanted amount: frames, or episodes."""
        return self._group.num_frames or self._group.num_episodes or 0

    @property
    def done(self) -> int:
        """How much of `total` is stored."""
        return min(self._frames, self.total) if self._group.num_frames else self._episodes

    def is_complete(self) -> bool:
        """Nothing more is wanted."""
        return self.done >= self.total

    @property
    def missing(self) -> int | None:
        """Episodes still to be played, where that is known beforehand."""
        return None if self._group.num_episodes is None else self._group.num_episodes - self._episodes

    def units(self, played: Played) -> int:
        """What one more episode adds to `done`."""
        return len(played.track) if self._group.num_frames else 1

    def to_play(self) -> Iterator[Planned]:
        """The planned episodes from here on that are not stored."""
        return (planned for planned in self._group.episodes() if planned.id not in self._stored)

    def in_order(self, played: Played) -> list[Played]:
        """Takes a finished episode; returns those whose turn has come, none beyond the wanted amount."""
        self._waiting[played.planned.number] = played
        ready = []
        while not self.is_complete() and self._next is not None and self._next.number in self._waiting:
            current = self._waiting.pop(self._next.number)
            ready.append(current)
            self._count(len(current.track))
            self._skip_stored()
        return ready

    def _count(self, length: int) -> None:
        self._frames += length
        self._episodes += 1
        self._next = next(self._plan, None)

    def _skip_stored(self) -> None:
        while not self.is_complete() and self._next is not None and self._next.id in self._stored:
            found = self._stored[self._next.id]
            if found.instance != self._next.start.instance:
                raise UserError(
                    f"split '{self._group.split}': episode {found.id} is stored with level "
                    f"{found.instance}, now it would be {self._next.start.instance}: start_level or "
                    "n_instances changed; rename the split"
                )
            self._count(found.length)
