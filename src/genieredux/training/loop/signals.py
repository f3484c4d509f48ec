"""Being asked to stop: SIGTERM and Ctrl-C set a flag; the loop ends its step, saves, raises `Interrupted`."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupted(SystemExit):
    """The run was stopped and saved.

    Exit code 143 after SIGTERM, 130 after Ctrl-C; `command` goes on with it.
    """

    def __init__(self, signum: int, command: str, step: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.command = command
        self.step = step


class StopRequest:
    """While entered, SIGTERM and SIGINT are remembered instead of acted on; a second Ctrl-C stops at once.

    Signals can be caught in the main thread only; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGTERM, signal.SIGINT):
                self._former[signum] = signal.signal(signum, self._remember)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._former.items():
            signal.signal(signum, handler)
        self._former.clear()

    def _remember(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and self.signum is not None:
            raise KeyboardInterrupt
        self.signum = signum
