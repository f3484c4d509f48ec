"""What goes to a worker and what comes back: plain records, fit to be sent to any process on any machine.

A task is some planned episodes of one game with one policy. While a worker plays it, it says `Alive` now and then,
`Played` with each episode, ready to be stored, and at the end `Finished`, or `Refused` where the game cannot be
played. A backend adds `Lost`: the worker is gone, and with it whatever it had not said yet.
"""

from dataclasses import dataclass

from genieredux.collect.plan import Group, Planned
from genieredux.envs import EnvConfig
from genieredux.episodes import EncodedEpisode, Episode, Track
from genieredux.policies import PolicySpec


@dataclass(frozen=True)
class Labels:
    """What is stored with every episode of a group."""

    game: str
    console: str
    tags: tuple[str, ...]
    policy: str
    split: str

    @classmethod
    def of(cls, group: Group) -> "Labels":
        """The labels of a group."""
        return cls(group.facts.game, group.facts.console, group.facts.tags, group.variant, group.split)


@dataclass(frozen=True)
class Task:
    """Episodes to play. group: which one of the collection, for whoever sent it."""

    group: int
    env: EnvConfig
    policy: PolicySpec
    labels: Labels
    episodes: tuple[Planned, ...]


@dataclass(frozen=True)
class Alive:
    """The worker lives. frames: played since it last said something. opening: it begins to open a game, which may
    take long.
    """

    frames: int = 0
    opening: bool = False


@dataclass(frozen=True)
class Played:
    """One episode of the task is done. frames: played since the worker last said something."""

    group: int
    planned: Planned
    episode: EncodedEpisode
    frames: int = 0


@dataclass(frozen=True)
class Finished:
    """All episodes of the oldest open task were sent."""


@dataclass(frozen=True)
class Refused:
    """The oldest open task's game cannot be played: the `UserError` that says why. No more comes of that task."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """The worker is gone; all its open tasks are void. reason: how it went."""

    reason: str


Message = Alive | Played | Finished | Refused | Lost


def to_episode(labels: Labels, planned: Planned, track: Track, terminated: bool, truncated: bool) -> Episode:
    """What was recorded of a planned episode, as it is stored."""
    trajectory = track.trajectory()
    return Episode(
        frames=trajectory.frames,
        actions=trajectory.actions,
        rewards=trajectory.rewards,
        terminated=terminated,
        truncated=truncated,
        info=trajectory.info,
        game=labels.game,
        console=labels.console,
        tags=labels.tags,
        policy=labels.policy,
        seed=planned.start.seed,
        instance=planned.start.instance,
        split=labels.split,
        id=planned.id,
    )
