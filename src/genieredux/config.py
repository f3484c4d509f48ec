"""Plain values to typed configurations: the one conversion of the project, wherever the values came from.

Configurations are dataclasses; what is wrong with a value is one `UserError` that names the key and the nearest valid
choice. A text is read by the declared type of its key: `2024_01` is a text where a text is declared, and a number
where a number is. Knows no command line and no file.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from genieredux.checking import nearest, one_of
from genieredux.errors import UserError

T = TypeVar("T")

PATH = "a path"
FilePath = Annotated[str, PATH]
"""The type of a setting that names a file or a folder: `~` is the user's folder."""

_YES, _NO = ("true", "yes", "on"), ("false", "no", "off")


def from_plain(schema: type[T], values: Any, where: str) -> T:
    """An object of the dataclass `schema` from nested plain values; `where` is the key that leads to them."""
    known = fields_from_plain(schema, values, where)
    for item in dataclasses.fields(schema):  # type: ignore[arg-type]
        if item.default is item.default_factory is dataclasses.MISSING and item.init and item.name not in known:
            key = f"{where}.{item.name}" if where else item.name
            raise UserError(f"{key} is missing; add {key}=...")
    try:
        return schema(**known)
    except TypeError as error:
        raise UserError(f"{where or 'configuration'}: {error}") from error


def fields_from_plain(schema: type, values: Any, where: str) -> dict[str, Any]:
    """Some fields of the dataclass `schema` by name, converted; nothing is constructed, so the rest may be unknown."""
    if not isinstance(values, Mapping):
        raise UserError(
            f"{where or 'the configuration'} is {values!r}; it has the keys {', '.join(field_names(schema))}"
        )
    hints = typing.get_type_hints(schema, include_extras=True)
    aliases = getattr(schema, "ALIASES", {})
    known: dict[str, Any] = {}
    for key, value in sorted(values.items(), key=lambda item: item[0] not in aliases):  # a name goes before its alias
        path = f"{where}.{key}" if where else str(key)
        name = aliases.get(key, key)
        if name not in field_names(schema):
            raise unknown_key(path, [f"{where}.{name}" if where else name for name in field_names(schema)])
        known[name] = _convert(hints[name], value, path)
    return known


def _convert(kind: Any, value: Any, where: str) -> Any:
    """`value` as the annotated type `kind`, or a UserError."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return _read(value)
    if origin is Annotated:
        inner = _convert(args[0], value, where)
        return expanded(inner) if PATH in kind.__metadata__ else inner
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _first_that_fits([arg for arg in args if arg is not type(None)], value, where)
    if origin is typing.Literal:
        for choice in args:
            if value == choice or str(value) == str(choice):
                return choice
        return one_of(where, value, args)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_plain(kind, value, where)
    if origin is tuple or origin is list:
        return _sequence(origin, args, value, where)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise UserError(f"{where} is {value!r}; it must be a mapping such as {{name: value}}")
        return {str(key): _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(kind, value, where)


def _first_that_fits(kinds: Sequence[Any], value: Any, where: str) -> Any:
    problem: UserError | None = None
    for kind in kinds:
        try:
            return _convert(kind, value, where)
        except UserError as error:
            problem = problem or error
    raise problem or UserError(f"{where} cannot be {value!r}")


def _sequence(origin: Any, args: tuple[Any, ...], value: Any, where: str) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UserError(f"{where} is {value!r}; it must be a list such as [a,b]")
    kinds = [args[0]] * len(value) if origin is list or args[-1] is Ellipsis else list(args)
    if len(kinds) != len(value):
        raise UserError(f"{where} is {list(value)!r}; it must have {len(kinds)} values")
    return origin(_convert(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value)))  # noqa: B905


def _scalar(kind: type, value: Any, where: str) -> Any:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    plain = value
    if kind is str and isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind in (int, float, bool) and isinstance(value, str):
        plain = _read(value)
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        plain = float(plain)
    if kind is int and isinstance(plain, float) and plain.is_integer():  # 1e6
        plain = int(plain)
    if isinstance(plain, kind) and not (kind is int and isinstance(plain, bool)):
        return plain
    raise UserError(f"{where} is {value!r}; it must be {names.get(kind, kind.__name__)}")


def _read(value: Any) -> Any:
    """A text as the number or the truth value that it is written as, if it is; everything within a list or mapping."""
    if isinstance(value, Mapping):
        return {key: _read(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_read(item) for item in value]
    if not isinstance(value, str):
        return value
    if value.lower() in (*_YES, *_NO):
        return value.lower() in _YES
    if re.match(r"[-+]?(\.?\d|\.?(inf|nan)$)", value):
        for kind in (int, lambda text: int(text, 0), lambda text: float(re.sub(r"\.(?=inf|nan)", "", text))):
            try:
                return kind(value)
            except ValueError:
                continue
    return value


def expanded(path: Any) -> Any:
    """A path with `~` or `~user` as that folder, anything else as it is. Raises UserError where there is no such user
    or no home folder.
    """
    if not isinstance(path, str) or not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        user = path[1:].partition("/")[0]
        fix = f"there is no user '{user}'; ./{path} is a file of that name" if user else "set HOME to a folder"
        raise UserError(f"{path}: no home folder is known here; {fix}") from error


def unknown_key(key: str, valid: Sequence[str]) -> UserError:
    """The error that names the nearest of the valid keys."""
    last = key.rsplit(".", 1)[-1]
    same = [name for name in valid if name.rsplit(".", 1)[-1] == last]
    return UserError(f"there is no key '{key}'; did you mean '{(same or [nearest(key, valid)])[0]}'?")


def field_names(schema: Any) -> list[str]:
    """The names of a dataclass's fields, in order."""
    return [item.name for item in dataclasses.fields(schema)]


def keys_of(schema: Any, prefix: str = "") -> list[str]:
    """Dotted keys of a dataclass and the dataclasses in it."""
    keys = []
    for name, kind in typing.get_type_hints(schema).items():
        if name in field_names(schema):
            keys.append(prefix + name)
            if dataclasses.is_dataclass(kind):
                keys += keys_of(kind, f"{prefix}{name}.")
    return keys
