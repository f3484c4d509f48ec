"""Where things may lie: paths that a person types, names that a file says, the user's cache. Touches no file."""

import os
from pathlib import Path, PurePosixPath

from genieredux.config import expanded
from genieredux.errors import UserError

_LONGEST_NAME = 255


def user_path(text: str | os.PathLike[str]) -> Path:
    """What a person typed as a path, `~` expanded. Raises UserError where no home folder is known."""
    return Path(expanded(os.fspath(text)))


def cache_folder(kind: str) -> Path:
    """`$GENIEREDUX_CACHE/<kind>`, or `genieredux/<kind>` in the user's cache (`$XDG_CACHE_HOME`, `~/.cache`).

    Nothing is made. Raises UserError where there is no home folder either.
    """
    if chosen := os.environ.get("GENIEREDUX_CACHE"):
        return user_path(chosen).absolute() / kind
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # the XDG rule: relative is ignored
        return Path(base) / "genieredux" / kind
    try:
        return Path.home() / ".cache" / "genieredux" / kind
    except RuntimeError as error:
        raise UserError("no home folder is known here; set GENIEREDUX_CACHE to a folder for downloads") from error


def check_name(name: object, where: str) -> str:
    """The name, which a file or a person gave, of something in one folder. `where` says what is called so.

    Raises UserError unless it is a text that names exactly one thing there: no separator, no `..`, not empty, no
    control character, at most 255 bytes.
    """
    if not isinstance(name, str) or not _is_plain(name):
        raise UserError(f"{where} is {name!r}; it must be a plain name of at most 255 bytes, without '/' or '\\'")
    return name


def check_inside(name: object, where: str) -> str:
    """As `check_name`, of a path relative to a folder: plain names with '/' between them."""
    if not isinstance(name, str) or not is_inside(name):
        raise UserError(f"{where} is {name!r}; it must be a path below its own folder")
    return name


def is_inside(name: object) -> bool:
    """Whether `check_inside` lets it pass."""
    return isinstance(name, str) and all(_is_plain(part) for part in name.split("/"))


def inside(folder: Path, name: object, where: str) -> Path:
    """`folder / name` where a file said `name`. Raises UserError, as `check_inside`, where that lies elsewhere."""
    return folder / PurePosixPath(check_inside(name, where))


def _is_plain(name: str) -> bool:
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:
        return False
    return 0 < size <= _LONGEST_NAME and name not in (".", "..") and not any(c in "/\\" or c < " " for c in name)
