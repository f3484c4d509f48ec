"""Workers as processes of this machine, each with a socket of its own."""

import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection, wait

import cv2

from genieredux.collect.tasks import Alive, Finished, Lost, Message, Refused, Task
from genieredux.collect.worker import Worker
from genieredux.runs.workers import Child, Gone, serve

STEP_SECONDS = 60.0
"""A worker that has said nothing for this long while it plays hangs."""
START_SECONDS = 180.0
"""Starting Python and opening a game load libraries and a ROM: on a busy machine that may take this long."""
_CLOSE_SECONDS = 2.0


class _Process:
    """One worker's process, and what it owes."""

    def __init__(self) -> None:
        self.child = Child("genieredux.collect.backends.local:play")
        self.open_tasks = 0
        self.starting = True
        self.heard = time.monotonic()

    def end(self) -> str:
        """Kill it if it lives; says how it ended."""
        return self.child.end(0.0 if self.open_tasks else _CLOSE_SECONDS)


class LocalBackend:
    """`workers` processes, started when they get their first task. See `Backend`."""

    def __init__(self, workers: int, step_seconds: float = STEP_SECONDS, start_seconds: float = START_SECONDS) -> None:
        self.workers = workers
        self._patience = {False: step_seconds, True: start_seconds}
        self._processes: dict[int, _Process] = {}

    @property
    def pids(self) -> dict[int, int]:
        """Worker -> process id, of those that run."""
        return {worker: one.child.pid for worker, one in self._processes.items()}

    def takes(self, worker: int) -> bool:
        """See `Backend.takes`: always, since a process can always be started."""
        return True

    def submit(self, worker: int, task: Task) -> None:
        """See `Backend.submit`. Raises `UserError` where no process can be started."""
        if worker not in self._processes:
            self._processes[worker] = _Process()
        one = self._processes[worker]
        if not one.open_tasks:
            one.heard = time.monotonic()
        one.open_tasks += 1
        one.child.send(task)

    def completed(self) -> Iterator[tuple[int, Message]]:
        """See `Backend.completed`."""
        while busy := {one.child.pipe: worker for worker, one in self._processes.items() if one.open_tasks}:
            for pipe in wait(list(busy), timeout=1.0):
                assert isinstance(pipe, Connection)
                yield busy[pipe], self._receive(busy[pipe])
            for worker in busy.values():
                if self._is_silent(worker):
                    self._processes.pop(worker).end()
                    yield worker, Lost("it hangs")

    def close(self) -> None:
        """See `Backend.close`."""
        for one in self._processes.values():
            one.child.pipe.close()  # the idle ones end by themselves
        for one in self._processes.values():
            one.end()
        self._processes = {}

    def _receive(self, worker: int) -> Message:
        one = self._processes[worker]
        try:
            message: Message = one.child.receive()
        except Gone as death:
            del self._processes[worker]
            return Lost(str(death))
        one.heard = time.monotonic()
        one.starting = isinstance(message, Alive) and message.opening
        one.open_tasks -= isinstance(message, Finished | Refused)
        return message

    def _is_silent(self, worker: int) -> bool:
        one = self._processes.get(worker)
        if one is None or not one.open_tasks or one.child.pipe.poll():
            return False
        return time.monotonic() - one.heard > self._patience[one.starting]


def play(pipe: Connection) -> None:
    """In the child process: tasks in, messages out, until the parent is gone."""
    cv2.setNumThreads(1)
    with closing(Worker()) as worker:
        for task in serve(pipe):
            for message in worker.run(task):
                pipe.send(message)
