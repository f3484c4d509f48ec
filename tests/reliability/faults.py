"""Make the n-th operation on a disk the last one, or one that fails.

`install` counts what this process does to files below a folder: opening for writing, writing, fsync, rename, link,
unlink, making and removing folders. At operation n it ends the process (half of a write is done then), or raises an
OSError there, once or from there on. Knows nothing of the program that writes.
"""

import builtins
import contextlib
import errno
import io
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("kill", "ENOSPC", "EIO")


@dataclass
class Fault:
    """kind: one of KINDS. at: which operation, from 1; 0: none, only count. lasting: every later one fails as well."""

    kind: str
    at: int
    lasting: bool = False
    count: int = 0
    hit: str = ""
    """What the operation was."""
    busy: bool = False

    def meet(self, what: str, before: Any = None) -> None:
        """One more operation. before: what to do before the process ends."""
        if self.busy:
            return
        self.count += 1
        if self.count != self.at and not (self.lasting and 0 < self.at < self.count):
            return
        self.hit = self.hit or what
        if self.kind == "kill":
            self.busy = True
            if before:
                before()
            os.kill(os.getpid(), signal.SIGKILL)
        number = getattr(errno, self.kind)
        raise OSError(number, os.strerror(number))


def install(fault: Fault, folder: Path) -> None:
    """Hook this process for good."""
    root = os.path.realpath(folder)
    _hook_audited(fault, root)
    _hook_fsync(fault)
    _hook_open(fault, root)


def _below(path: Any, root: str) -> bool:
    with contextlib.suppress(TypeError, ValueError):
        return os.path.realpath(os.fsdecode(path)).startswith(root)
    return False


def _hook_audited(fault: Fault, root: str) -> None:
    """What Python announces before it does it."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
            if _below(arguments[0], root):
                fault.meet(event)
        elif event == "open" and isinstance(arguments[2], int):
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR) and not isinstance(path, int) and _below(path, root):
                fault.meet("open")

    sys.addaudithook(audit)


def _hook_fsync(fault: Fault) -> None:
    plain = os.fsync

    def fsync(descriptor: Any) -> None:
        fault.meet("fsync")
        plain(descriptor)

    os.fsync = fsync


def _hook_open(fault: Fault, root: str) -> None:
    """Files that count what is written to them."""
    plain = io.open

    class Writer(io.BufferedWriter):
        def write(self, content: Any) -> int:
            fault.meet("write", lambda: self._half(content))
            return super().write(content)

        def _half(self, content: Any) -> None:
            super().write(memoryview(content).cast("B")[: memoryview(content).nbytes // 2])
            super().flush()

    class Both(io.BufferedRandom):
        def write(self, content: Any) -> int:
            fault.meet("write", lambda: self._half(content))
            return super().write(content)

        def _half(self, content: Any) -> None:
            super().write(memoryview(content).cast("B")[: memoryview(content).nbytes // 2])
            super().flush()

    def counted(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **options: Any) -> Any:
        writes = any(letter in mode for letter in "wax+")
        simple = buffering in (-1, 1) and "opener" not in options and len(more) < 5
        if not writes or not simple or isinstance(file, int) or not _below(file, root):
            return plain(file, mode, buffering, *more, **options)
        raw = io.FileIO(file, mode.replace("b", "").replace("t", ""))
        held: Any = Both(raw) if "+" in mode else Writer(raw)
        if "b" in mode:
            return held
        names = dict(zip(("encoding", "errors", "newline"), more, strict=False)) | options
        names.pop("closefd", None)
        text = io.TextIOWrapper(held, **names, line_buffering=buffering == 1)
        text.mode = mode
        return text

    builtins.open = io.open = counted
