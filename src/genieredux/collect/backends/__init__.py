"""Where workers run. A backend carries tasks to workers and their messages back, and knows nothing of either.

`local` runs them as processes of this machine, `ray_backend` as actors of a Ray cluster: the same
`collect.worker.Worker`. `choice` chooses.
"""

from collections.abc import Iterator
from typing import Protocol

from genieredux.collect.backends.local import LocalBackend
from genieredux.collect.tasks import Message, Task

__all__ = ["Backend", "LocalBackend"]


class Backend(Protocol):
    """A fixed number of workers, numbered from 0."""

    workers: int

    def takes(self, worker: int) -> bool:
        """Whether the worker can be given tasks now. One that could not, and then can, says `Alive`."""

    def submit(self, worker: int, task: Task) -> None:
        """Give a worker a task; it plays its tasks in the order in which it got them."""

    def completed(self) -> Iterator[tuple[int, Message]]:
        """(worker, message) as they come, until every task was answered by `Finished`, `Refused` or `Lost`.

        A worker's messages come in the order in which it said them. More tasks may be submitted between two
        messages. A worker that is gone, or silent for too long, is `Lost` once, after everything it had said; as soon
        as there is another in its place, it takes new tasks.
        """

    def close(self) -> None:
        """End all workers at once, whatever they are doing; harmless twice."""
