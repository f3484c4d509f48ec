"""What goes to a worker and what comes back: plain records, fit to be sent to any process on any machine.

A task is some planned episodes of one game with one policy. While a worker plays it, it says `Alive` now and then,
`Played` with each episode, ready to be stored, and at the end `Finished`, or `Refused` where the game cannot be
played. A backend adds `Lost`: the worker is gone, and with it whatever it had not said yet.
"""

from dataclasses import dataclass

from genieredux.collect.plan import Group, Planned
from genieredux.envs import EnvConfig
from genieredux.episodes import EncodedEpisode
from genieredux.policies import PolicySpec
from genieredux.runs.backends import Alive, Finished, Lost, Refused

__all__ = ["Alive", "Finished", "Lost", "Message", "Played", "Refused", "Task"]


@dataclass(frozen=True)
class Task:
    """Episodes of a group to play. number: which one of the collection's groups it is, for whoever sent it."""

    number: int
    group: Group
    env: EnvConfig
    policy: PolicySpec
    episodes: tuple[Planned, ...]


@dataclass(frozen=True)
class Played:
    """One episode of the task is done. number: the task's. frames: played since the worker last said something."""

    number: int
    planned: Planned
    episode: EncodedEpisode
    frames: int = 0


Message = Alive | Played | Finished | Refused | Lost
