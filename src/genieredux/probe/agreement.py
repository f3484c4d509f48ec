"""How far the probe agrees with what people have labelled: the motion axis with the catalogue, and the buttons with
the published control labels where a game has them, else with this project's own table (`known_controls.csv`).

Knows no picture.
"""

import csv
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from genieredux.probe.finding import Finding
from genieredux.probe.verdicts import UNSURE
from genieredux.retroact import resolve
from genieredux.retroact.words import RETROACT

ALIKE = {
    "climb": ("up", "down", "climb"),
    "up": ("up", "climb"),
    "down": ("down", "climb"),
    "strike": ("strike", "punch"),
    "punch": ("strike", "punch"),
}
"""What a picture cannot tell apart: climbing is going up and down; a punch is a strike."""


@dataclass(frozen=True)
class Compared:
    """One label of one game: what it is (several where people would accept several), and what the probe says."""

    game: str
    what: str
    """`motion`, or the name of a button or action."""
    labels: tuple[str, ...]
    found: str
    confidence: float

    @property
    def agrees(self) -> bool:
        """Whether the probe says one of the labels."""
        return self.found in {word for label in self.labels for word in ALIKE.get(label, (label,))}


@dataclass(frozen=True)
class Agreement:
    """All that could be compared."""

    motion: tuple[Compared, ...] = field(default=())
    controls: tuple[Compared, ...] = field(default=())

    def confusion(self) -> dict[tuple[str, str], int]:
        """(label, found) -> games, of the motion axis."""
        return dict(Counter((one.labels[0], one.found) for one in self.motion))

    def majority(self) -> tuple[str, int]:
        """The commonest motion label and how many games have it: what a guess without looking would get right."""
        return Counter(one.labels[0] for one in self.motion).most_common(1)[0]

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        word, count = self.majority() if self.motion else ("", 0)
        return {
            "motion": {
                **_counts(self.motion),
                "majority_label": word,
                "majority_right": count,
                "confusion": [
                    {"label": label, "found": found, "games": games}
                    for (label, found), games in sorted(self.confusion().items())
                ],
            },
            "controls": {
                **_counts(self.controls),
                "wrong": [
                    {"game": one.game, "control": one.what, "label": "|".join(one.labels), "found": one.found}
                    for one in self.controls
                    if not one.agrees
                ],
            },
        }


def _counts(compared: Sequence[Compared]) -> dict[str, int]:
    return {
        "compared": len(compared),
        "right": sum(one.agrees for one in compared),
        "unsure": sum(one.found == UNSURE and not one.agrees for one in compared),
    }


def agreement(findings: Sequence[Finding]) -> Agreement:
    """Compare findings with the labels. Motion: games that the published table labels. Buttons: every label that
    somebody has given.
    """
    motion, controls = [], []
    for finding in findings:
        game = resolve(finding.game)
        if game.labelled_by == RETROACT:
            verdict = finding.motion
            motion.append(Compared(game.name, "motion", (game.motion,), verdict.word, verdict.confidence))
        given = game.controls or known_controls().get(game.name, {})
        verdicts = {**finding.buttons, **finding.controls}
        for what, label in given.items():
            if what in verdicts:
                one = verdicts[what]
                controls.append(Compared(game.name, what, tuple(label.split("|")), one.word, one.confidence))
    return Agreement(tuple(motion), tuple(controls))


@functools.cache
def known_controls() -> Mapping[str, Mapping[str, str]]:
    """By game: what its buttons do, as this project knows it; several words where each would be right."""
    text = (files("genieredux.probe") / "known_controls.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["game"]: {key: row[key] for key in row if row[key] and key not in ("game", "note")} for row in rows}
