"""A row of the table: one wrong line, and the tests that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`; `new` stands there instead, and one of `tests` must fail. file: below
    src/genieredux; tests: below tests, the most telling first.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def of(file: str, tests: str, *rows: tuple[str, str, str]) -> list[Mutant]:
    """Rows (name, old, new) of one file that the same tests watch."""
    return [Mutant(name, file, old, new, tuple(tests.split())) for name, old, new in rows]


RECOMPUTED = "reliability/test_recomputed.py"
