"""The main program of a worker process: tasks in over an inherited socket, messages out, until the parent is gone.

python -m genieredux.collect.backends.process FILE_DESCRIPTOR
"""

import ctypes
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve the parent at the other end of the socket."""
    _die_with_parent()
    pipe = Connection(int(sys.argv[1]))
    received = _received(pipe)
    sys.path[:] = next(received)
    import cv2

    from genieredux.collect.worker import Worker

    cv2.setNumThreads(1)
    with closing(Worker()) as worker:
        for task in received:
            for message in worker.run(task):
                try:
                    pipe.send(message)
                except OSError:
                    return  # the parent went away


def _received(pipe: Connection) -> Iterator[Any]:
    """Everything the parent sends, until it goes away."""
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        yield message


def _die_with_parent() -> None:
    """On Linux, be killed when the parent dies, even inside an emulator that never returns; elsewhere the closed
    socket ends the worker at its next message.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
