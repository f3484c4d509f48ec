"""What a page may ask for, read strictly: every message is an object of known keys, and all else is refused with a line
that says what is wrong. Knows no socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.play.replay import Replay
from genieredux.play.seat import Drawn
from genieredux.settings import Range, Settings


@dataclass
class Order:
    """Something that is done between two frames. value: what it needs, checked."""

    name: str
    value: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Begin(Settings):
    where: ClassVar[str] = "begin"
    prompt: Annotated[int | None, Range(0, 1 << 20)] = None
    level: Annotated[int | None, Range(0, 2**31 - 2)] = None
    seed: Annotated[int | None, Range(0, 2**40)] = None
    steps: Annotated[int | None, Range(1, 64)] = None
    temperature: Annotated[float | None, Range(0, 100)] = None
    choice: Literal["mode", "mean", "sample"] | None = None
    drawn: bool = False
    """Whether steps, temperature and choice count; else tokens are drawn as before."""


@dataclass(frozen=True, kw_only=True)
class _Back(Settings):
    where: ClassVar[str] = "back"
    number: Annotated[int, Range(0, 2**53)]


@dataclass(frozen=True, kw_only=True)
class _World(Settings):
    where: ClassVar[str] = "world"
    name: str


@dataclass(frozen=True, kw_only=True)
class _Watch(Settings):
    where: ClassVar[str] = "watch"
    policy: str | None = None
    game: bool = False


@dataclass(frozen=True, kw_only=True)
class _Record(Settings):
    where: ClassVar[str] = "record"
    on: bool


_KINDS: dict[str, type[Settings]] = {
    "begin": _Begin,
    "back": _Back,
    "world": _World,
    "watch": _Watch,
    "record": _Record,
}


def read_order(message: Mapping[str, Any]) -> Order:
    """The order in a message. Raises UserError for anything else."""
    name, value = message.get("type"), message.get("value")
    if name == "share":
        return Order("share")
    if name == "replay":
        return Order("replay", {"replay": Replay.of(value)})
    if not isinstance(name, str) or name not in _KINDS:
        raise UserError(f"there is no message {str(name)[:40]!r}; reload the page")
    values = dict(vars(from_plain(_KINDS[name], {} if value is None else value, name)))
    if name == "begin":
        drawn = Drawn(values.pop("steps"), values.pop("temperature"), values.pop("choice"))
        values = {key: one for key, one in values.items() if one is not None and key != "drawn"} | (
            {"drawn": drawn} if values["drawn"] else {}
        )
    return Order(name, values)
