"""What the probe found out about a game, and the same as plain data. Knows no machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genieredux.probe.compare import Codes
from genieredux.probe.verdicts import Verdict


@dataclass(frozen=True)
class Example:
    """One state in which a button did what it usually does: pictures at three looks, without and with the button."""

    looks: tuple[int, ...]
    control: tuple[Codes, ...]
    pressed: tuple[Codes, ...]


@dataclass(frozen=True)
class Finding:
    """A game as annotated by playing it."""

    game: str
    console: str
    seed: int
    states: int
    """Saved states in which some button did something."""
    tried: int
    """Saved states that were looked at."""
    buttons: Mapping[str, Verdict]
    """Every button of the console but those of the menu."""
    controls: Mapping[str, Verdict]
    """The same by the names of the published table: RIGHT, LEFT, UP, DOWN, ACTION_JUMP, ACTION_SECONDARY."""
    played_by: Mapping[str, str]
    """The button that stands for ACTION_JUMP and ACTION_SECONDARY on this console."""
    motion: Verdict
    """`h`, `v`, `free` or `fixed`."""
    scrolls: Verdict
    """`no`, `h`, `v` or `both`: the axes along which the scenery moves."""
    background: Verdict
    """`yes` or `no`: whether play came to another scene."""
    variables: Mapping[str, Mapping[str, float]]
    """By button: each declared variable that it changed in at least a quarter of the states, and the mean change."""
    seconds: float
    examples: Mapping[str, Example] = field(default_factory=dict, repr=False, compare=False)

    def plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "game": self.game,
            "console": self.console,
            "seed": self.seed,
            "states": self.states,
            "states_tried": self.tried,
            "motion": _word(self.motion),
            "scrolls": _word(self.scrolls),
            "background_changes": _word(self.background),
            "controls": {
                name: {**({"button": self.played_by[name]} if name in self.played_by else {}), **_word(one)}
                for name, one in self.controls.items()
            },
            "buttons": {name: _full(one) for name, one in self.buttons.items()},
            "variables": {name: dict(changes) for name, changes in self.variables.items()},
            "labelled_by": "genieredux retroact probe",
        }


def _word(one: Verdict) -> dict[str, Any]:
    return {"label": one.word, "confidence": round(one.confidence, 3)}


def _full(one: Verdict) -> dict[str, Any]:
    return {
        **_word(one),
        "states_that_agree": one.states,
        "states_that_answer": one.of,
        "votes": {word: one.votes[word] for word in sorted(one.votes, key=lambda word: (-one.votes[word], word))},
        "dx": round(one.dx, 1),
        "dy": round(one.dy, 1),
        "delay_frames": one.delay,
    }
