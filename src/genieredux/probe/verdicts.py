"""From effects in many states to a word per button and a motion axis, each with a confidence.

A confidence is the lower end of the 95 % Wilson interval of the share of states that agree: it grows with agreement
and with the number of states, and no number of states makes a coin toss confident. Knows no picture and no machine.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

import numpy as np

from genieredux.probe.branches import DIRECTIONS
from genieredux.probe.effects import Effect

UNSURE = "unsure"
SURE = 0.25
"""Below this confidence a word is `unsure`."""
SURE_AXIS = 0.35
"""An axis of motion needs a button that is surer than this."""
_RARE = 0.1  # of the states in which any button works: a button that works in fewer does nothing
_FAMILIES = (("right",), ("left",), ("up", "jump"), ("down", "crouch"), ("shoot", "strike"), ("turn",), ("other",))
_ALONG = {"h": ("right", "left"), "v": ("up", "down", "climb", "jump", "crouch")}
_MOTIONS = {word for words in _ALONG.values() for word in words}
_FAMILY = {word: family for family in _FAMILIES for word in family}


@dataclass(frozen=True)
class Verdict:
    """A word, how sure it is (0 to 1), and on what it stands."""

    word: str
    confidence: float
    states: int = 0
    """States that agree."""
    of: int = 0
    """States that could have."""
    votes: Mapping[str, int] = field(default_factory=dict)
    """Every word that was seen, with its number of states."""
    dx: float = 0.0
    """Median motion, in pixels, over the states that agree; to the right."""
    dy: float = 0.0
    """Downwards."""
    delay: float | None = None
    """Median frames from the press to the first difference, over the states that agree."""


def wilson(successes: int, of: int, z: float = 1.96) -> float:
    """Lower end of the Wilson score interval (Wilson 1927) of a share; 0 for no trial."""
    if of == 0:
        return 0.0
    share = successes / of
    middle, spread = share + z * z / (2 * of), z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + z * z / of))


def button(effects: Sequence[Effect]) -> Verdict:
    """What a button does, by its effect in each state in which any button had one.

    Words that differ only in what comes later (up and jump, down and crouch, shoot and strike) are counted together
    first, so that a jump cut short by a ceiling does not split the vote.
    """
    votes = Counter(one.word for one in effects)
    answered = [one for one in effects if one.word != "none"]
    if len(answered) <= _RARE * len(effects):
        sure = wilson(votes["none"], len(effects))
        return Verdict("none" if sure >= SURE else UNSURE, sure, votes["none"], len(effects), votes)
    families = Counter(_FAMILY[one.word] for one in answered)
    family = max(families, key=lambda one: (families[one], -_FAMILIES.index(one)))
    word = max(family, key=lambda one: votes[one])
    agree = [one for one in answered if one.word in family]
    sure = wilson(len(agree), len(answered))
    delays = [one.delay for one in agree if one.delay is not None]
    return Verdict(
        word if sure >= SURE else UNSURE,
        sure,
        len(agree),
        len(answered),
        votes,
        float(np.median([one.dx for one in agree])),
        float(np.median([one.dy for one in agree])),
        float(np.median(delays)) if delays else None,
    )


def with_climbing(buttons: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts, up and down called `climb` where a button surely jumps: there is gravity, and they defy it."""
    jumps = any(
        one.word == "jump" and one.confidence >= SURE_AXIS for key, one in buttons.items() if key not in DIRECTIONS
    )
    return {
        key: replace(one, word="climb") if jumps and key in ("UP", "DOWN") and one.word in ("up", "down") else one
        for key, one in buttons.items()
    }


def axis(buttons: Mapping[str, Verdict], states: int) -> Verdict:
    """Motion axis `h`, `v`, `free` or `fixed` from what the buttons do. states: in which any button did something.

    The directions steer, whichever way round; another button counts only where it jumps. A player that turns in place
    by two directions and is moved by a third goes anywhere. The confidence of `h` is that of its surest button, of
    `free` the lesser of its two axes, of `fixed` that of so many states without a motion.
    """
    sure = {"h": 0.0, "v": 0.0}
    turns = []
    for name, one in buttons.items():
        answered = sum(one.votes.values()) - one.votes.get("none", 0)
        if one.word == "none":
            continue
        if name not in DIRECTIONS:
            sure["v"] = max(sure["v"], one.confidence if one.word == "jump" else 0.0)
            continue
        for along, words in _ALONG.items():
            sure[along] = max(sure[along], wilson(sum(one.votes.get(word, 0) for word in words), answered))
        turns += [one.confidence] if one.word == "turn" else []
    found = [along for along in sure if sure[along] >= SURE_AXIS]
    if len(found) == 2:
        return Verdict("free", min(sure.values()), states, states)
    if found and len(turns) >= 2:
        return Verdict("free", min(sure[found[0]], *turns), states, states)
    if found:
        return Verdict(found[0], sure[found[0]], states, states)
    still = wilson(states, states)
    known = still >= SURE_AXIS and not any(one.word in _MOTIONS for one in buttons.values())
    return Verdict("fixed", still, states, states) if known else Verdict(UNSURE, max(sure.values()), 0, states)
