"""Annotating one game on one machine: reach states, press every button from each, and draw the conclusions."""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.checking import at_least, within
from genieredux.envs.actions import JUMP_BUTTON
from genieredux.probe import verdicts
from genieredux.probe.branches import DIRECTIONS, HOLD, LOOKS, Branch, branch, reach
from genieredux.probe.compare import scrolled
from genieredux.probe.effects import Effect, effect
from genieredux.probe.finding import Example, Finding
from genieredux.probe.machine import Machine
from genieredux.probe.verdicts import Verdict, wilson

_TRIES = 4  # saved states looked at for each one that counts, at most
_SAME_SCENE = 0.25  # of the picture differs at most between two states of one scene
_SCROLL_LOOKS = ((8, 12), (24, 28))
_OFTEN = 0.25  # of the states in which a variable must change to be reported


@dataclass(frozen=True)
class ProbeConfig:
    """How a game is probed."""

    states: int = 24
    """Saved states that must count, 4 to 500; time is in proportion."""
    seed: int = 0
    """Of the play that reaches them; the same seed gives the same finding."""

    def __post_init__(self) -> None:
        within("states", self.states, 4, 500)
        at_least("seed", self.seed, 0)


@dataclass
class _Notes:
    """What is kept of the states so far."""

    effects: dict[str, list[Effect]]
    examples: dict[tuple[str, str], Example]
    scrolls: list[tuple[bool, bool]]
    other_scene: list[bool]


def annotate(machine: Machine, cfg: ProbeConfig, news: Callable[[int], None] = lambda _: None) -> Finding:
    """Probe the game on `machine`. news: called with the number of states that count so far.

    Deterministic given the seed. Where hardly anything answers to a button (a game over, a long intro) the finding
    says `unsure`.
    """
    began = time.monotonic()
    notes = _Notes({name: [] for name in machine.buttons}, {}, [], [])
    seen: set[bytes] = set()
    first: np.ndarray | None = None
    tried = 0
    for state in reach(machine, np.random.default_rng(cfg.seed)):
        tried += 1
        control = branch(machine, state, ())
        key = hashlib.sha1(b"".join(picture.tobytes() for picture in control.pictures[:12])).digest()
        if key not in seen:
            seen.add(key)
            first = control.pictures[0] if first is None else first
            _one_state(machine, state, control, first, notes)
            news(len(notes.scrolls))
        if len(notes.scrolls) >= cfg.states or tried >= _TRIES * cfg.states:
            break
    return _conclude(machine, cfg, notes, tried, time.monotonic() - began)


def _one_state(machine: Machine, state: bytes, control: Branch, first: np.ndarray, notes: _Notes) -> None:
    """Press every button from `state`; it counts if any of them does something."""
    branches = {name: branch(machine, state, (name,), control) for name in machine.buttons}
    effects = {name: effect(control, one) for name, one in branches.items()}
    if all(one.word == "none" for one in effects.values()):
        return
    for name, one in effects.items():
        notes.effects[name].append(one)
        notes.examples.setdefault((name, one.word), _example(control, branches[name], one))
    watched = [control, *(branches[name] for name in machine.buttons if name in DIRECTIONS)]
    shifts = [_shift(one, *looks) for one in watched for looks in _SCROLL_LOOKS]
    notes.scrolls.append((any(x for x, _ in shifts), any(y for _, y in shifts)))
    notes.other_scene.append(float(np.mean(control.pictures[0] != first)) > _SAME_SCENE)


def _shift(one: Branch, early: int, late: int) -> tuple[int, int]:
    return scrolled(one.pictures[LOOKS.index(early)], one.pictures[LOOKS.index(late)])


def _example(control: Branch, pressed: Branch, one: Effect) -> Example:
    begin = next((k for k, look in enumerate(LOOKS) if look >= (one.delay or 0) + 6), 0)
    places = sorted({begin, LOOKS.index(HOLD), len(LOOKS) - 1})
    return Example(
        tuple(LOOKS[k] for k in places),
        tuple(control.pictures[k] for k in places),
        tuple(pressed.pictures[k] for k in places),
    )


def _conclude(machine: Machine, cfg: ProbeConfig, notes: _Notes, tried: int, seconds: float) -> Finding:
    states = len(notes.scrolls)
    said = {name: verdicts.button(effects) for name, effects in notes.effects.items()}
    buttons = verdicts.with_climbing(said)
    controls, played_by = _by_published_names(machine.console, buttons)
    examples = {}
    for name, one in buttons.items():
        words = [said[name].word, *(word for word, _ in Counter(one.votes).most_common())]
        examples[name] = next((notes.examples[name, word] for word in words if (name, word) in notes.examples), None)
    return Finding(
        game=machine.name,
        console=machine.console,
        seed=cfg.seed,
        states=states,
        tried=tried,
        buttons=buttons,
        controls=controls,
        played_by=played_by,
        motion=verdicts.axis(buttons, states),
        scrolls=_scrolls(notes.scrolls),
        background=_share("yes", "no", notes.other_scene),
        variables={name: changes for name in buttons if (changes := _variables(notes.effects[name]))},
        seconds=seconds,
        examples={name: one for name, one in examples.items() if one},
    )


def _by_published_names(console: str, buttons: Mapping[str, Verdict]) -> tuple[dict[str, Verdict], dict[str, str]]:
    """The verdicts by the names of the published table, and the button behind each of the two actions.

    ACTION_SECONDARY is the surest of the other buttons that do something, and absent where there is no other.
    """
    controls = {name: buttons[name] for name in DIRECTIONS if name in buttons}
    played_by = {}
    others = [name for name in buttons if name not in DIRECTIONS]
    jump = JUMP_BUTTON.get(console)
    if jump in others:
        others.remove(jump)
        controls["ACTION_JUMP"], played_by["ACTION_JUMP"] = buttons[jump], jump
    if others:
        second = max(others, key=lambda name: (buttons[name].word not in ("none", "unsure"), buttons[name].confidence))
        controls["ACTION_SECONDARY"], played_by["ACTION_SECONDARY"] = buttons[second], second
    return controls, played_by


def _scrolls(seen: Sequence[tuple[bool, bool]]) -> Verdict:
    axes = [_share(name, "no", [one[k] for one in seen]) for k, name in enumerate("hv")]
    moving = [one for one in axes if one.word in ("h", "v")]
    if len(moving) == 2:
        return Verdict("both", min(one.confidence for one in moving), moving[0].states, len(seen))
    return moving[0] if moving else min(axes, key=lambda one: one.confidence)


def _share(yes: str, no: str, seen: Sequence[bool]) -> Verdict:
    """`yes` or `no`, whichever most states say; unsure in between."""
    word, count = (yes, sum(seen)) if 2 * sum(seen) > len(seen) else (no, len(seen) - sum(seen))
    sure = wilson(count, len(seen))
    return Verdict(word if sure >= verdicts.SURE else verdicts.UNSURE, sure, count, len(seen))


def _variables(effects: Sequence[Effect]) -> dict[str, float]:
    changes: dict[str, list[float]] = {}
    for one in effects:
        for name, change in one.moved.items():
            changes.setdefault(name, []).append(change)
    return {
        name: round(float(np.mean(values)), 2)
        for name, values in sorted(changes.items())
        if len(values) >= _OFTEN * len(effects)
    }
