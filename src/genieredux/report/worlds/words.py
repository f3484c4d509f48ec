"""What a page of worlds says besides numbers, kept as page.json beside the results, so that it can be made again."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.runs.files import write_text

PAGE = "page.json"
_NOT_CURVES = ("step", "time", "elapsed_s", "steps_per_s", "frames_per_s", "tokens_per_s")
_FIRST_CURVES = ("loss", "total", "psnr", "accuracy", "perplexity")
_MOST_CURVES, _MOST_POINTS = 3, 240
_TONES = 8


@dataclass(frozen=True)
class CurveLine:
    """Logged values `y` at steps `x`; tone: which of the colours 0..7."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    tone: int = 0

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise UserError(f"{self.name}: x has {len(self.x)} values and y {len(self.y)}")
        if not 0 <= self.tone < _TONES:
            raise UserError(f"{self.name}: tone is {self.tone}; it must be from 0 to {_TONES - 1}")


@dataclass(frozen=True)
class Curve:
    """One chart of a training."""

    title: str
    lines: tuple[CurveLine, ...]


@dataclass(frozen=True)
class PageWords:
    """What a page says besides the numbers of results.json; all may be left out."""

    title: str = ""
    """At the head; by default the names of model and data."""
    summary: str = ""
    """A sentence or two under it."""
    set_notes: Mapping[str, str] = field(default_factory=dict)
    """A few words on each test set, by its name."""
    training: Mapping[str, list[Curve]] = field(default_factory=dict)
    """Curves by what was trained; `training_curves` chooses them from a log."""
    commands: tuple[tuple[str, str], ...] = ()
    """(what it does, shell line)."""
    facts: tuple[tuple[str, str], ...] = ()
    """Short (name, value) pairs for the head of the page, such as ("frames played", "120,000")."""


def write_words(folder: Path, words: PageWords) -> Path:
    """page.json of a folder, whole or not at all."""
    return write_text(folder / PAGE, json.dumps(asdict(words), indent=2))


def read_words(folder: Path) -> PageWords:
    """What page.json says, nothing where there is none. Raises UserError naming the file and the wrong field."""
    path = folder / PAGE
    try:
        return from_plain(PageWords, json.loads(path.read_bytes()), "")
    except FileNotFoundError:
        return PageWords()
    except UserError as error:
        raise UserError(f"{path}: {str(error)[:300]}; delete it or evaluate again") from error
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}); delete it or evaluate again") from error


def training_curves(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Curve]]:
    """What was logged in training and validation (records of log.jsonl: `event`, `step` and numbers), by what was
    trained: a few curves, thinned.
    """
    found = {name: [_training_curve(lines, key) for key in _curve_names(lines)] for name, lines in records.items()}
    kept = {name: [curve for curve in curves if curve.lines] for name, curves in found.items()}
    return {name: curves for name, curves in kept.items() if curves}


def _curve_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The logged numbers worth a chart: the well-known first, then those that were validated too."""
    names: dict[str, int] = {}
    for record in records:
        for key, value in record.items():
            if key in _NOT_CURVES or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if record.get("event") in ("train", "validate") and not key.startswith("peak_"):
                names[key] = max(names.get(key, 0), 1 + (record["event"] == "validate"))

    def rank(key: str) -> tuple[int, int]:
        return (_FIRST_CURVES.index(key) if key in _FIRST_CURVES else len(_FIRST_CURVES), -names[key])

    return sorted(names, key=rank)[:_MOST_CURVES]


def _training_curve(records: Sequence[Mapping[str, Any]], key: str) -> Curve:
    lines = []
    for event, tone, label in (("train", 1, "training"), ("validate", 0, "validation")):
        points = sorted(
            (record["step"], record[key])
            for record in records
            if record.get("event") == event and key in record and "step" in record and _finite(record[key])
        )
        if len(points) > _MOST_POINTS:
            points = [points[round(i * (len(points) - 1) / (_MOST_POINTS - 1))] for i in range(_MOST_POINTS)]
        if len(points) > 1:
            lines.append(CurveLine(label, tuple(x for x, _ in points), tuple(y for _, y in points), tone))
    return Curve(key.replace("_", " "), tuple(lines))


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
