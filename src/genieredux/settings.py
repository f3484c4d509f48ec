"""Settings that say by their types which values they take: the base of every model's configuration.

`Annotated[int, Range(1, 512)]` bounds a number, `Never` bars a value, and `Literal` lists choices; a value outside is
one `UserError` that names the key, whether the settings came from the command line, from a file or from Python. Knows
no model.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from genieredux.checking import one_of, require, within


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both allowed."""

    low: float
    high: float


@dataclass(frozen=True)
class Never:
    """Any value but this, which would be nothing: `instead` says what there is."""

    value: Any
    instead: str


Width = Annotated[int, Range(1, 1 << 14)]
"""Values of a vector, channels of a convolution."""
Depth = Annotated[int, Range(0, 256)]
"""Layers, where none is a choice."""
Layers = Annotated[int, Range(1, 256)]
Heads = Annotated[int, Range(1, 256)]
Frames = Annotated[int, Range(1, 1 << 14)]
Codes = Annotated[int, Range(2, 1 << 18)]
Seed = Annotated[int, Range(0, (1 << 62) - 1)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, 1e6)]
"""Of a term of a loss."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of typed settings. `where` is what leads to their keys on the command line."""

    where: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Raises UserError for a value that its type does not allow."""
        check_values(type(self), vars(self), self.where)


def check_values(schema: type, values: Mapping[str, Any], where: str) -> None:
    """`values`, some or all fields of the dataclass `schema` by name, keep the bounds and choices of their types; else
    UserError. where: what leads to their keys.
    """
    hints = _hints(schema)
    for name, value in values.items():
        _check(hints[name], value, f"{where}.{name}".lstrip("."))


@functools.cache
def _hints(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema, include_extras=True)


def _check(kind: Any, value: Any, name: str) -> None:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is not None:
            for inner in args:
                if inner is not type(None):
                    _check(inner, value, name)
    elif origin is Annotated:
        for bound in kind.__metadata__:
            if isinstance(bound, Range):
                within(name, value, bound.low, bound.high)
            elif isinstance(bound, Never):
                require(value != bound.value, name, value, bound.instead)
        _check(args[0], value, name)
    elif origin is typing.Literal:
        one_of(name, value, args)
    elif origin is tuple:
        for item in value:
            _check(args[0], item, name)


def plain_fields(settings: Settings) -> dict[str, Any]:
    """Field name to value, not converted."""
    return {item.name: getattr(settings, item.name) for item in dataclasses.fields(settings)}
