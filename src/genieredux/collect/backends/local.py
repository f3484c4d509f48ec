"""Workers as processes of this machine.

Each is a fresh Python that gets tasks and sends messages over a socket of its own: it shares no memory with its
parent, and does not run the program's main file again. A worker ends by itself when its parent is gone.
"""

import logging
import multiprocessing as mp
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait

from genieredux.collect.tasks import Alive, Finished, Lost, Message, Refused, Task
from genieredux.errors import UserError

log = logging.getLogger(__name__)

STEP_SECONDS = 60.0
"""A worker that has said nothing for this long while it plays hangs."""
START_SECONDS = 180.0
"""Starting Python and opening a game load libraries and a ROM: on a busy machine that may take this long."""
_CLOSE_SECONDS = 2.0


class _Process:
    """One worker's process, and what it owes."""

    def __init__(self) -> None:
        self.pipe, remote = mp.Pipe()
        command = [sys.executable, "-m", "genieredux.collect.backends.process", str(remote.fileno())]
        try:
            self.process = subprocess.Popen(
                command,
                pass_fds=[remote.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what emulators print is no result
                process_group=0,  # Ctrl-C reaches the parent alone, which decides what it means
            )
        except OSError as error:
            self.pipe.close()
            raise UserError(f"a worker process cannot be started ({error}); lower n_workers") from error
        finally:
            remote.close()
        self.open_tasks = 0
        self.starting = True
        self.heard = time.monotonic()
        self.send(sys.path)

    def send(self, message: object) -> None:
        """Send something. That the worker is gone is found out when it is listened to."""
        try:
            self.pipe.send(message)
        except OSError:
            log.debug("worker %d: its socket is closed", self.process.pid)

    def end(self) -> str:
        """Kill it if it lives; says how it ended."""
        self.pipe.close()
        if self.process.poll() is None:
            try:
                self.process.wait(_CLOSE_SECONDS if not self.open_tasks else 0.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class LocalBackend:
    """`workers` processes, started when they get their first task. See `Backend`."""

    def __init__(self, workers: int, step_seconds: float = STEP_SECONDS, start_seconds: float = START_SECONDS) -> None:
        self.workers = workers
        self._patience = {False: step_seconds, True: start_seconds}
        self._processes: dict[int, _Process] = {}

    @property
    def pids(self) -> dict[int, int]:
        """Worker -> process id, of those that run."""
        return {worker: one.process.pid for worker, one in self._processes.items()}

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
        one.send(task)

    def completed(self) -> Iterator[tuple[int, Message]]:
        """See `Backend.completed`."""
        while busy := {one.pipe: worker for worker, one in self._processes.items() if one.open_tasks}:
            for pipe in wait(list(busy), timeout=1.0):
                assert isinstance(pipe, Connection)
                yield busy[pipe], self._receive(busy[pipe])
            for worker in busy.values():
                if self._is_silent(worker):
                    yield worker, self._lose(worker, "it hangs")

    def close(self) -> None:
        """See `Backend.close`."""
        for one in self._processes.values():
            one.pipe.close()  # the idle ones end by themselves
        for one in self._processes.values():
            one.end()
        self._processes = {}

    def _receive(self, worker: int) -> Message:
        one = self._processes[worker]
        try:
            message: Message = one.pipe.recv()
        except (EOFError, OSError):
            return self._lose(worker)
        one.heard = time.monotonic()
        one.starting = isinstance(message, Alive) and message.opening
        one.open_tasks -= isinstance(message, Finished | Refused)
        return message

    def _is_silent(self, worker: int) -> bool:
        one = self._processes.get(worker)
        if one is None or not one.open_tasks or one.pipe.poll():
            return False
        return time.monotonic() - one.heard > self._patience[one.starting]

    def _lose(self, worker: int, reason: str = "") -> Lost:
        ending = self._processes.pop(worker).end()
        return Lost(reason or ending)
