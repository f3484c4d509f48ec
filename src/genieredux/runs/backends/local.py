"""Workers as processes of this machine, each with a socket of its own."""

import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any

from genieredux.runs.backends import Alive, Finished, Lost, Refused, Trade
from genieredux.runs.workers import Child, Gone, serve

_CLOSE_SECONDS = 2.0


class _Process:
    """One worker's process, and what it owes."""

    def __init__(self, trade: Trade) -> None:
        self.child = Child("genieredux.runs.backends.local:work", trade)
        self.open_tasks = 0
        self.starting = True
        self.heard = time.monotonic()

    def end(self) -> str:
        """Kill it if it lives; says how it ended."""
        return self.child.end(0.0 if self.open_tasks else _CLOSE_SECONDS)


class Processes:
    """`workers` processes, started when they get their first task. See `Backend`.

    step_seconds: a worker that has said nothing for so long while it works hangs; start_seconds: the same while it
    starts or opens something.
    """

    def __init__(self, workers: int, trade: Trade, step_seconds: float, start_seconds: float) -> None:
        self.workers = workers
        self._trade = trade
        self._patience = {False: step_seconds, True: start_seconds}
        self._processes: dict[int, _Process] = {}

    @property
    def pids(self) -> dict[int, int]:
        """Worker -> process id, of those that run."""
        return {worker: one.child.pid for worker, one in self._processes.items()}

    def takes(self, worker: int) -> bool:
        """See `Backend.takes`: always, since a process can always be started."""
        return True

    def submit(self, worker: int, task: Any) -> None:
        """See `Backend.submit`. Raises `UserError` where no process can be started."""
        if worker not in self._processes:
            self._processes[worker] = _Process(self._trade)
        one = self._processes[worker]
        if not one.open_tasks:
            one.heard = time.monotonic()
        one.open_tasks += 1
        one.child.send(task)

    def completed(self) -> Iterator[tuple[int, Any]]:
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

    def _receive(self, worker: int) -> Any:
        one = self._processes[worker]
        try:
            message = one.child.receive()
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


def work(pipe: Connection, trade: Trade) -> None:
    """In the child process: tasks in, messages out, until the parent is gone."""
    tasks: SimpleQueue[tuple[Any, ...]] = SimpleQueue()

    def receive() -> None:
        for task in serve(pipe):
            tasks.put((task,))
        tasks.put(())

    # Tasks are taken in while others are worked on: with both ends sending what no socket holds, nobody would receive.
    Thread(target=receive, daemon=True).start()
    with trade.begin() as worker:
        while given := tasks.get():
            for message in worker.run(*given):
                pipe.send(message)
