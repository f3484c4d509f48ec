"""Reaching saved states by seeded play, and playing matched branches from them.

A branch begins by restoring its state, and only branches are compared with each other, never with the play that
reached the state: an emulator repeats a restored state exactly, but need not repeat the run that was interrupted.
Knows no game and draws no conclusion.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from genieredux.probe.compare import Codes, codes
from genieredux.probe.machine import Machine

DIRECTIONS = ("RIGHT", "LEFT", "UP", "DOWN")

HOLD = 40
"""Frames for which a branch holds its button: two thirds of a second."""
LOOKS = (2, 3, 4, *range(6, HOLD + 1, 2), *range(HOLD + 4, HOLD + 41, 4))
"""Frames after which a branch is looked at; the last ones show what stays after the button was let go.

Not after the first: some cores have drawn nothing when a state has just been restored."""

_FIRST_PLAY = (60, 400)  # frames of play before the first saved state of an episode
_MORE_PLAY = (40, 250)  # and before each further one
_EPISODE = 4000  # frames after which play begins anew by itself
_SETTLE = (8, 30)  # frames without a button before a state is saved, so that nothing is still held
_HELD = (4, 40)  # frames for which play holds a button
_STEER, _PRESS = 0.8, 0.35  # how often play holds a direction and another button
_PATIENCE = 40  # episodes that end before a state could be saved


@dataclass(frozen=True)
class Branch:
    """What was seen at `LOOKS` with `held` pressed for the first `HOLD` frames; ended: the look at which the game
    was over, if it was.
    """

    held: tuple[str, ...]
    pictures: list[Codes]
    variables: list[Mapping[str, float]]
    ended: bool


def reach(machine: Machine, rng: np.random.Generator) -> Iterator[bytes]:
    """Saved states of random play with held buttons, without end; play begins anew when the game does.

    Ends by itself only where the game is over again and again before anything can be saved.
    """
    directions = [name for name in machine.buttons if name in DIRECTIONS]
    others = [name for name in machine.buttons if name not in DIRECTIONS]
    failures = 0
    while failures < _PATIENCE:
        machine.reset()
        failures += 1
        age, due = 0, int(rng.integers(*_FIRST_PLAY))
        while age < _EPISODE:
            held = []
            if directions and rng.random() < _STEER:
                held.append(directions[rng.integers(len(directions))])
            if others and rng.random() < _PRESS:
                held.append(others[rng.integers(len(others))])
            frames = int(rng.integers(*_HELD))
            if _play(machine, held, frames):
                break
            age += frames
            if age < due:
                continue
            frames = int(rng.integers(*_SETTLE))
            if _play(machine, (), frames):
                break
            age += frames
            due = age + int(rng.integers(*_MORE_PLAY))
            failures = 0
            yield machine.save()


def _play(machine: Machine, held: Collection[str], frames: int) -> bool:
    """Whether the game ended."""
    return any(machine.frame(held) for _ in range(frames))


def branch(machine: Machine, state: bytes, held: tuple[str, ...], control: Branch | None = None) -> Branch:
    """Restore `state`, hold the buttons for `HOLD` frames, let go and look on.

    With `control`, a branch that has shown no difference from it when the button is let go is taken to show none
    afterwards either.
    """
    machine.restore(state)
    pictures: list[Codes] = []
    variables: list[Mapping[str, float]] = []
    ended, at = False, 0
    for look in LOOKS:
        for _ in range(look - at):
            ended |= machine.frame(held if at < HOLD else ())
            at += 1
        pictures.append(codes(machine.picture()))
        variables.append(machine.variables())
        if control and look == HOLD and _same(pictures, variables, control):
            rest = len(pictures)
            return Branch(held, pictures + control.pictures[rest:], variables + control.variables[rest:], ended)
    return Branch(held, pictures, variables, ended)


def _same(pictures: list[Codes], variables: list[Mapping[str, float]], control: Branch) -> bool:
    seen = len(pictures)
    if variables != control.variables[:seen]:
        return False
    return all(np.array_equal(one, other) for one, other in zip(pictures, control.pictures[:seen], strict=True))
