"""`genieredux VERB ...`: find the verb, run it, turn what a user can mend into one line and exit code 2."""

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Sequence

from genieredux import __version__
from genieredux.cli.border import told
from genieredux.cli.screen import complain, ready, say
from genieredux.cli.verbs import find, overview


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit. Codes: 0 done, 1 a defect, 2 bad input, 130 Ctrl-C, 143 SIGTERM."""
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # no child process takes a `queue.py` beside the user for Python's own
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    ready()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[_News()])
    logging.getLogger("genieredux").setLevel(logging.INFO)
    try:
        return _run(words)
    except KeyboardInterrupt:
        complain("genieredux: interrupted; the same command goes on from what is saved")
        return 130
    except Exception as error:  # noqa: BLE001  # the border: told() says which are defects
        line = told(error)
        complain("".join(traceback.format_exception(error)).rstrip() if line is None else f"genieredux: error: {line}")
        return 1 if line is None else 2


def _run(words: Sequence[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        say(overview())
        return 0 if words else 2
    if words[0] == "--version":
        say(f"genieredux {__version__}")
        return 0
    find(words[0])(list(words[1:]))
    return 0


class _News(logging.Handler):
    """Log lines go to stderr, whatever it is by then: a bar that is shown there puts them above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody reads any more
            sys.stderr.write(self.format(record) + "\n")
