"""The user's own code: importing it from where a command is run, and saying in one line what went wrong in it.

Modules of the working folder are found last, after everything that is installed: a `random.py` beside the user's game
must not stand in for Python's own. Knows no game and no policy.
"""

import dis
import importlib
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from genieredux.errors import UserError

_PACKAGE = Path(__file__).parent
_brought: set[str] = set()
"""Files of the modules that `load` found outside of what is installed."""
_INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def working_folder_last() -> list[str]:
    """`sys.path` with the working folder at its end, whatever place it had."""
    here = os.getcwd()
    return [place for place in sys.path if place and os.path.abspath(place) != here] + [here]


def load(name: str, what: str) -> Any:
    """The object that `module:attribute` names, imported from what is installed or from the working folder.

    what: for the error, such as "connector.games". Raises `UserError`, with the place in the file where importing it
    failed.
    """
    module, _, attribute = name.partition(":")
    if os.getcwd() not in map(os.path.abspath, filter(None, sys.path)):
        sys.path.append(os.getcwd())  # an installed program does not look where it is run
    with blamed(f"{what} '{name}': the module {module} cannot be imported"):
        thing = importlib.import_module(module)
    file = getattr(thing, "__file__", None) or ""
    if _is_own(Path(file)):
        _brought.add(file)
    for part in filter(None, attribute.split(".")):
        if not hasattr(thing, part):
            raise UserError(f"{what} '{name}': there is no '{part}' in {getattr(thing, '__file__', module)}")
        thing = getattr(thing, part)
    return thing


@contextmanager
def blamed(doing: str) -> Iterator[None]:
    """Turns whatever the code inside raises into a `UserError`: what was being done, the cause, file and line.

    So it does with a KeyboardInterrupt that the code raises by itself, and with `os._exit`, which would end the program
    without a word. Ctrl-C stays Ctrl-C.
    """
    outer, _guarded.process = getattr(_guarded, "process", 0), os.getpid()
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and not _is_raised(error):
            raise
        raise UserError(f"{doing}: {cause(error)}") from error
    finally:
        _guarded.process = outer


_guarded = threading.local()
"""process: the one in which this thread runs a user's code, so that processes which that code forks may leave."""
_exit = os._exit


def _refuse_to_exit(status: int) -> NoReturn:
    if getattr(_guarded, "process", 0) == os.getpid():
        raise SystemExit(f"os._exit({status})")
    _exit(status)


os._exit = _refuse_to_exit


def _is_raised(error: KeyboardInterrupt) -> bool:
    """Whether a `raise` of the user's code made it, and no signal: that comes up at any instruction but a raise."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or _PACKAGE in Path(last.tb_frame.f_code.co_filename).parents:
        return False
    if last.tb_frame.f_code.co_code[last.tb_lasti] != dis.opmap["RAISE_VARARGS"]:
        return False
    before = error.__cause__ or error.__context__
    return not isinstance(before, KeyboardInterrupt) or _is_raised(before)


def cause(error: BaseException) -> str:
    """An error as one line: its class, its message, and the file and line of the user's code it came out of."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    stack = [entry for entry in traceback.extract_tb(error.__traceback__) if not entry.filename.startswith("<")]
    own = [entry for entry in stack if _is_own(Path(entry.filename))]
    others = [entry for entry in stack if _PACKAGE not in Path(entry.filename).parents]
    for entry in (own or others)[-1:]:
        text += f" ({entry.filename}:{entry.lineno})"
    return text


def is_involved(error: BaseException) -> bool:
    """Whether an exception came up in a module of the user's that was loaded here, or in what that called."""
    return any(entry.filename in _brought for entry in traceback.extract_tb(error.__traceback__))


def _is_own(file: Path) -> bool:
    return file.is_absolute() and not any(folder in file.parents for folder in (_PACKAGE, *_INSTALLED))
