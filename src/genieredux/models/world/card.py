"""What a world was made from, how long it took and how true it is: its card.

A card is a JSON file beside the world's: `coinrun.json` beside `coinrun.pt`, `card.json` in a folder. The Hub shows it
as README.md, with the numbers as its model-index. Knows no network and no model.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from genieredux.config import from_plain
from genieredux.errors import UserError

FOLDER_CARD = "card.json"
USE = """```python
import genieredux as gr

world = gr.load("ORG/NAME")  # or this folder
```"""
"""How a card says that it is opened."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One number."""

    on: str
    """The test set: "test.random"."""
    metric: str
    """What was measured: "PSNR"."""
    value: float
    """The number."""
    unit: str = ""
    """Of the number: "dB"."""
    at: str = ""
    """Which part of it, where not all: "t = 4"."""
    low: float | None = None
    """The lower end of its 95 % interval, where there is one."""
    high: float | None = None
    """The upper end."""

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{self.low:g}, {self.high:g}]"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.value:g}{unit}{interval}"

    @property
    def name(self) -> str:
        """The metric and the part."""
        return f"{self.metric}, {self.at}" if self.at else self.metric


@dataclass(frozen=True, kw_only=True)
class Part:
    """One trained part of a world."""

    name: str
    """tokenizer, dynamics, heads."""
    parameters: int
    """How many weights it has."""
    steps: int | None = None
    """Updates, where they are known."""
    seconds: float | None = None
    """Of training."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """What there is to know of a world before it is opened."""

    title: str
    """Its name, for people."""
    about: str
    """One or two sentences."""
    game: str
    """What is dreamt."""
    data: str
    """What it learned from."""
    frames: int
    """How many frames of it."""
    parts: tuple[Part, ...] = ()
    """What was trained, and how long."""
    machine: str = ""
    """On what."""
    measured: tuple[Measured, ...] = ()
    """How true it is, on data that it did not learn from."""
    command: str = ""
    """What makes it again."""
    license: str = "mit"
    """Of the weights, as the Hub abbreviates it."""

    @property
    def seconds(self) -> float:
        """Of training, all parts together."""
        return sum(part.seconds or 0 for part in self.parts)

    def to_json(self) -> str:
        """The text of a card's file."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """As README.md of the Hub: metadata with the numbers as model-index, then a page for people."""
        lines = ["---", *_metadata(self), "---", "", f"# {self.title}", "", self.about, "", "## Use", ""]
        lines += [
            "```python",
            "import genieredux as gr",
            "",
            'world = gr.load("ORG/NAME")  # or this folder',
            "```",
            "",
        ]
        lines += ["## Made from", "", f"- game: {self.game}", f"- data: {self.data} ({self.frames:,} frames)"]
        for part in self.parts:
            said = [f"{part.parameters:,} parameters"]
            said += [f"{part.steps:,} steps"] if part.steps is not None else []
            said += [f"{part.seconds:,.0f} s"] if part.seconds is not None else []
            lines.append(f"- {part.name}: {', '.join(said)}")
        lines += [f"- machine: {self.machine}"] if self.machine else []
        lines += [f"- command: `{self.command}`"] if self.command else []
        if self.measured:
            lines += ["", "## Measured", "", "| on | metric | |", "|---|---|---|"]
            lines += [f"| {row.on} | {row.name} | {row} |" for row in self.measured]
        return "\n".join(lines) + "\n"


def card_path(world: str | Path) -> Path:
    """Where the card of a world's file or folder lies."""
    world = Path(world)
    return world / FOLDER_CARD if world.is_dir() else world.with_suffix(".json")


def read_card(path: str | Path) -> Card | None:
    """The card in a file, None where there is no such file. Raises UserError for what is no card."""
    path = Path(path)
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as a world's card ({error}); mend it, or take it away") from error
    return from_plain(Card, values, f"{path}: card")


def _metadata(card: Card) -> list[str]:
    """The YAML of the Hub. Every text is quoted as JSON, which YAML reads alike."""
    lines = [f"license: {_text(card.license)}", "library_name: genieredux", "pipeline_tag: reinforcement-learning"]
    lines += ["tags:", *(f"- {tag}" for tag in ("world-model", "genie", "interactive-environment"))]
    if card.measured:
        lines += ["model-index:", f"- name: {_text(card.title)}", "  results:"]
    for on in dict.fromkeys(row.on for row in card.measured):
        lines += ["  - task: {type: world-modeling}", f"    dataset: {{name: {_text(card.game)}, type: {_text(on)}}}"]
        lines += ["    metrics:"]
        for row in (row for row in card.measured if row.on == on):
            kind = row.metric.lower().replace(" ", "-")
            lines.append(f"    - {{type: {_text(kind)}, name: {_text(row.name)}, value: {row.value!r}}}")
    return lines


def _text(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=False)
