"""Plain values become typed configurations: texts are read by the declared type, names and choices are checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import pytest

from genieredux.config import FilePath, from_plain
from genieredux.errors import UserError


@dataclass
class Inner:
    size: int
    rate: float | None = None


@dataclass
class Outer:
    name: str = ""
    place: FilePath | None = None
    many: tuple[str, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    kind: Literal["one", "two", 3] = "one"
    on: bool = False
    either: int | str = 0
    free: dict[str, Any] = field(default_factory=dict)
    inner: Inner | None = None
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    ALIASES: ClassVar[Mapping[str, str]] = {"title": "name"}


def made(**values: Any) -> Outer:
    return from_plain(Outer, values, "")


def test_a_text_is_read_by_the_declared_type() -> None:
    assert made(name="2024_01", many=["1.10", "007", 5]).name == "2024_01"
    assert made(many=["1.10", "007", 5, True]).many == ("1.10", "007", "5", "true")
    assert made(pair=["0x10", "1e-3"]).pair == (16, 0.001)
    assert made(inner={"size": "1e3", "rate": ".5"}).inner == Inner(1000, 0.5)
    assert [made(on=word).on for word in ("yes", "On", "TRUE", "no", "off", False)] == [True] * 3 + [False] * 3
    assert made(either="RIGHT").either == "RIGHT"
    assert made(either="-1").either == -1
    assert made(kind="3").kind == 3
    assert made(free={"a": "1e-4", "b": ["0x10", "x"], "c": "inf"}).free == {
        "a": 1e-4,
        "b": [16, "x"],
        "c": float("inf"),
    }
    assert made(free={"a": "information", "b": "1.2.3", "c": "-"}).free == {"a": "information", "b": "1.2.3", "c": "-"}


def test_a_path_knows_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert made(place="~/x", name="~/x").place == "/home/someone/x"
    assert made(name="~/x").name == "~/x"
    assert made(place=None).place is None


def test_an_alias_gives_way_to_the_name() -> None:
    assert made(title="a").name == "a"
    assert made(name="b", title="a").name == made(title="a", name="b").name == "b"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nam": "x"}, r"no key 'nam'; did you mean 'name'"),
        ({"inner": {"sise": 1}}, r"no key 'inner.sise'; did you mean 'inner.size'"),
        ({"inner": {}}, r"inner.size is missing; add inner.size=..."),
        ({"inner": {"size": 1.5}}, r"inner.size is 1.5; it must be a whole number"),
        ({"inner": {"size": True}}, r"inner.size is True; it must be a whole number"),
        ({"inner": {"size": "abc"}}, r"inner.size is 'abc'; it must be a whole number"),
        ({"inner": [1]}, r"inner is \[1\]; it has the keys size, rate"),
        ({"kind": "onne"}, r"kind is 'onne'; did you mean one\? \(choose one of one, two, 3\)"),
        ({"many": "abc"}, r"many is 'abc'; it must be a list"),
        ({"pair": [1]}, r"pair is \[1\]; it must have 2 values"),
        ({"on": "maybe"}, r"on is 'maybe'; it must be true or false"),
        ({"names": [1]}, r"names is \[1\]; it must be a mapping"),
        ({"name": ["x"]}, r"name is \['x'\]; it must be a text"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        made(**values)
