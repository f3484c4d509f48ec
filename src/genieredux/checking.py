"""What is wrong with a value, said in the one way of the whole project: the name, the value, what is allowed.

Every function raises `UserError` or returns nothing. Knows no configuration and no command line.
"""

import difflib
import math
from collections.abc import Iterable

from genieredux.errors import UserError


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` most likely means; "" where nothing is known."""
    return "".join(nearest_few(word, known, 1))


def nearest_few(word: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The `count` of `known` that `word` most likely means, the likeliest first."""
    return difflib.get_close_matches(word, list(known), n=count, cutoff=0.0)


def one_of(name: str, value: object, choices: Iterable[object]) -> None:
    """The value is one of `choices`, else the line names the nearest and all of them."""
    choices = list(choices)
    if value not in choices:
        texts = [str(choice) for choice in choices]
        near = nearest(str(value), texts)
        raise UserError(f"{name} is {value!r}; did you mean {near}? (choose one of {', '.join(texts)})")


def at_least(name: str, value: float | None, lowest: float) -> None:
    """The value is a number and `lowest` or more; None passes: it stands for a default."""
    if value is not None and not lowest <= value < math.inf:
        raise UserError(f"{name} is {value!r}; it must be {_plain(lowest)} or more")


def above(name: str, value: float | None, bound: float) -> None:
    """The value is a number above `bound`; None passes."""
    if value is not None and not bound < value < math.inf:
        raise UserError(f"{name} is {value!r}; it must be above {_plain(bound)}")


def within(name: str, value: float | None, low: float, high: float) -> None:
    """The value is a number from `low` to `high`, both allowed; None passes."""
    if value is not None and not low <= value <= high:
        raise UserError(f"{name} is {value!r}; it must be from {_plain(low)} to {_plain(high)}")


def require(holds: bool, name: str, value: object, allowed: str) -> None:
    """For what the others cannot say: `allowed` completes "it must be"."""
    if not holds:
        raise UserError(f"{name} is {value!r}; it must be {allowed}")


def _plain(number: float) -> str:
    """As a person writes it: 65536, not 6.5536e+04."""
    return str(int(number)) if number == int(number) else f"{number:g}"
