"""The one place where the program prints, whatever its output is by then. Knows no verb; imports nothing heavy."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from genieredux.errors import UserError


def ready() -> None:
    """Let both outputs take every text: what their encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # none, closed, or not a text file
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def say(text: str) -> None:
    """Print. Whoever reads may leave before the end, as `| head` does; without a standard output nothing is said.

    Raises UserError where the output cannot be written to, such as a full disk.
    """
    if sys.stdout is None or sys.stdout.closed:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        raise UserError(f"cannot write to the standard output: {error.strerror or error}") from error


def complain(text: str) -> None:
    """Print one line on stderr, if there is one that takes it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _silence(stream: TextIO) -> None:
    """What is left in the stream's buffer goes nowhere, also when the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help of a verb is asked for, in whatever place."""
    return any(word in ("-h", "--help") for word in words)
