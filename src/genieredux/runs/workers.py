"""Child processes: fresh Pythons that run a function of the package and talk over a socket of their own.

They are started, never forked (a forked child would inherit a live emulator), do not run the program's main file again,
end when their parent does, and find modules of the working folder last, so that a `queue.py` there is not executed in
place of Python's own. Knows no task and no game.
"""

import logging
import multiprocessing as mp
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from genieredux.errors import UserError
from genieredux.own_code import working_folder_last
from genieredux.runs import child

log = logging.getLogger(__name__)

_SAFE_PATH = "PYTHONSAFEPATH"


class Gone(Exception):
    """The child at the other end is dead, or has been silent for too long; says how it went."""


class Child:
    """A process that runs `target`, "module:function", as `function(pipe, *arguments)`.

    pass_fds: file descriptors that it inherits. Raises `UserError` where no process can be started.
    """

    def __init__(self, target: str, *arguments: Any, pass_fds: Sequence[int] = ()) -> None:
        self.pipe, remote = mp.Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", child.__file__, str(remote.fileno())],
                pass_fds=[remote.fileno(), *pass_fds],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what emulators print is no result
                process_group=0,  # Ctrl-C reaches the parent alone, which decides what it means
            )
        except OSError as error:
            self.pipe.close()
            raise UserError(f"a worker process cannot be started ({error}); use fewer of them") from error
        finally:
            remote.close()
        self.send((working_folder_last(), target))
        self.send(arguments)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: object) -> None:
        """Send something. That the child is gone is found out when it is listened to."""
        try:
            self.pipe.send(message)
        except OSError:
            log.debug("child %d: its socket is closed", self.pid)

    def receive(self, seconds: float | None = None) -> Any:
        """The oldest message that was not received yet. Raises `Gone` where there is none within `seconds`."""
        try:
            if seconds is not None and not self.pipe.poll(seconds):
                raise Gone(f"no answer for {seconds:g} s")
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise Gone(self.end(0.5)) from error

    def end(self, patience: float = 0.0) -> str:
        """End it, by force where it does not end by itself within `patience` seconds; says how it ended."""
        self.pipe.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


@contextmanager
def safe_start() -> Iterator[None]:
    """Whatever other libraries start inside as a child process looks into the working folder last, too."""
    path, before = sys.path[:], os.environ.get(_SAFE_PATH)
    sys.path[:] = working_folder_last()
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.pop(_SAFE_PATH, None)
        if before is not None:
            os.environ[_SAFE_PATH] = before


def serve(pipe: Connection) -> Iterator[Any]:
    """In the child: everything the parent sends, until it goes away."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        yield message
