"""Where workers run: as processes of this machine (`local`), or as actors of a Ray cluster (`ray_actors`).

A backend carries tasks to workers and their messages back, and knows nothing of either. What a worker is, a `Trade`
says: a class by its name, so that any process on any machine can make the same one. Collection has a trade of its own
(`collect/backends`); what maps a function over tasks in order (token caches, evaluations) is a `Crew` (`crew`).
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol


@dataclass(frozen=True)
class Alive:
    """The worker lives. frames: done since it last said something. opening: it begins what may take long."""

    frames: int = 0
    opening: bool = False


@dataclass(frozen=True)
class Finished:
    """Everything of the oldest open task was sent."""


@dataclass(frozen=True)
class Refused:
    """The oldest open task cannot be done: the `UserError` that says why. No more comes of that task."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """The worker is gone; all its open tasks are void. reason: how it went."""

    reason: str


class Worker(Protocol):
    """Does tasks by itself, one after the other, in a process of its own."""

    def run(self, task: Any) -> Iterator[Any]:
        """The messages of a task, the last of which is `Finished` or `Refused`. What is raised ends the process."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class Trade:
    """What the workers of a backend are. worker: "module:Class"; arguments: of its making, plain records. packages:
    whose version must be the same on every node, for results to be the same.
    """

    worker: str
    arguments: tuple[Any, ...] = ()
    packages: tuple[str, ...] = ("genieredux", "numpy")

    def begin(self) -> "closing[Any]":
        """A worker, which the end of a `with` closes."""
        module, _, name = self.worker.partition(":")
        return closing(getattr(import_module(module), name)(*self.arguments))


class Backend(Protocol):
    """A fixed number of workers, numbered from 0."""

    workers: int

    def takes(self, worker: int) -> bool:
        """Whether the worker can be given tasks now. One that could not, and then can, says `Alive`."""

    def submit(self, worker: int, task: Any) -> None:
        """Give a worker a task; it does its tasks in the order in which it got them."""

    def completed(self) -> Iterator[tuple[int, Any]]:
        """(worker, message) as they come, until every task was answered by `Finished`, `Refused` or `Lost`.

        A worker's messages come in the order in which it said them. More tasks may be submitted between two
        messages. A worker that is gone, or silent for too long, is `Lost` once, after everything it had said; as soon
        as there is another in its place, it takes new tasks.
        """

    def close(self) -> None:
        """End all workers at once, whatever they are doing; harmless twice."""
