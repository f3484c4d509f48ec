"""The main program of a child process: started by `runs.workers`, it runs one function until that returns.

python -P child.py FILE_DESCRIPTOR

Before it has been told where modules are found it imports nothing but Python's own.
"""

import ctypes
import importlib
import signal
import sys
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Hear from the parent at the other end of the socket where modules are, what to run, and with what."""
    if sys.platform == "linux":  # be killed when the parent dies, even inside an emulator that never returns;
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # elsewhere the closed socket ends it
    pipe = Connection(int(sys.argv[1]))
    try:
        sys.path[:], target = pipe.recv()
        module, _, function = target.partition(":")
        run = getattr(importlib.import_module(module), function)
        run(pipe, *pipe.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent went away


if __name__ == "__main__":
    main()
