"""The border between what a user can mend and a defect: which exceptions are the fault of the machine, of a file or of
code that the user brought, and the one line for each. Imports nothing that could raise them.
"""

import errno
import os
import re
import traceback

from genieredux import own_code
from genieredux.errors import UserError

_HINTS = {
    errno.ENOSPC: "make room, or choose another folder",
    errno.EDQUOT: "make room, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "check the permissions, or choose another folder",
    errno.EPERM: "check the permissions, or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files: ulimit -n",
    errno.EIO: "the disk or the network drive failed",
}
_DAMAGED = (
    "zipfile",
    "zlib",
    "lzma",
    "_lzma",
    "bz2",
    "gzip",
    "PIL",
    "av",
    "pyarrow",
    "safetensors_rust",
    "_csv",
    "csv",
)
"""Packages that read files: what they raise means that a file is not what it should be."""
_PARSERS = ("json", "yaml", "ast")
_MEMORY = ("OutOfMemoryError", "ArrowMemoryError")
_MEMORY_TEXTS = ("not enough memory", "can't allocate memory", "CUDA out of memory")
_LONGEST_WORD = 400
_HOME_TEXTS = ("Could not determine home directory", "uid not found", "No home directory")


def told(error: BaseException) -> str | None:
    """The line for an exception that a user can mend, with endless words cut; None for a defect of the program."""
    line = _line(error)
    return line and re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:200]}...{word[0][-50:]}", line)


def _line(error: BaseException) -> str | None:
    text = " ".join(str(error).split())
    package = type(error).__module__.partition(".")[0]
    if isinstance(error, UserError):
        return text
    if isinstance(error, MemoryError) or type(error).__name__ in _MEMORY or any(one in text for one in _MEMORY_TEXTS):
        return f"there is not enough memory for this ({text[:200] or type(error).__name__}); ask for less at once"
    if isinstance(error, RuntimeError | KeyError) and any(one in text for one in _HOME_TEXTS):
        return f"the user has no home folder here ({text}); set HOME to a folder"
    if isinstance(error, ValueError) and "embedded null" in text:
        return "a name or a path holds a NUL character, which no file can have; leave it out"
    if isinstance(error, UnicodeError) and not (isinstance(error, UnicodeEncodeError) and "surrogates" not in text):
        return f"a name or a file is not UTF-8: {_shown(error)}; rename it or save it as UTF-8"
    if isinstance(error, RecursionError):
        return "a file is nested too deeply to be read" if _passes(error, _PARSERS) else None
    if package in _DAMAGED or (package == "json" and isinstance(error, ValueError)):
        return f"a file is damaged or not of its kind ({type(error).__name__}: {text[:300]})"
    if isinstance(error, OSError):
        return _of_system(error, text)
    return f"your own code failed: {own_code.cause(error)}" if own_code.is_involved(error) else None


def _of_system(error: OSError, text: str) -> str:
    paths = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    names = " and ".join(path if len(path) < 300 else f"{path[:300]}..." for path in paths)
    said = error.strerror or text or type(error).__name__
    hint = _HINTS.get(error.errno or 0, "")
    return (f"{names}: " if names else "") + said + (f"; {hint}" if hint else "")


def _shown(error: UnicodeError) -> str:
    """The text that has no encoding, readable."""
    if isinstance(error, UnicodeEncodeError | UnicodeDecodeError):
        piece = error.object[max(0, error.start - 20) : error.end + 20]
        return repr(piece)[:120]
    return str(error)[:120]


def _passes(error: BaseException, packages: tuple[str, ...]) -> bool:
    """Whether the exception came up within one of these packages."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(f"{os.sep}{name}{os.sep}" in frame.filename for frame in frames for name in packages)
