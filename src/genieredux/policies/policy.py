"""Who plays: the one call that every policy answers, and what a policy is told. It knows no game and no file.

Many environments are played side by side, one *stream* each. What a policy does in a stream depends on the seed of its
episode and on what was seen in it, never on other streams or on earlier episodes: that is why collection gives the same
bytes on any machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Actions = NDArray[np.int64]

NO_ACTION = -1
"""Stands for the action before an episode's first frame."""

_POLICY_STREAM = 0x9011C7  # keeps a policy's random numbers apart from others drawn with the same episode seed


@dataclass(slots=True)
class Seen:
    """What is to be seen now in N streams, and what the actions before brought. Whoever asks fills it anew at each
    step: copy what is to be remembered.
    """

    frames: Frames
    """uint8 (N, H, W, 3): what is shown now."""
    rewards: NDArray[np.float32]
    """float32 (N,): what the action before earned, also where it ended the episode before."""
    terminated: NDArray[np.bool_]
    """bool (N,): the action before ended an episode by the game's own rules; so this is never set inside an episode."""
    actions: Actions
    """int64 (N,): the action before that was really taken, whoever chose it; `NO_ACTION` where an episode begins."""
    begun: NDArray[np.bool_]
    """bool (N,): the frame is an episode's first. Recurrent state, rewards and actions of before mean nothing to it."""
    seeds: NDArray[np.int64]
    """int64 (N,): the seed of the episode that is played; everything random in it follows from that."""
    native: Sequence[Frames] | None = None
    """The games' own pictures, uint8 (H, W, 3) each, where they are known: to whom plays alone."""

    @classmethod
    def first(cls, frames: Frames, seeds: NDArray[np.int64]) -> "Seen":
        """Episodes begin everywhere, and nothing was played before."""
        n = len(frames)
        nothing = np.zeros(n, np.float32), np.zeros(n, bool), np.full(n, NO_ACTION, np.int64)
        return cls(frames, *nothing, np.ones(n, bool), np.asarray(seeds, np.int64))


class Policy(Protocol):
    """Plays N streams at once. Recurrent state lives in it, one state per stream, begun anew where `seen.begun`.

    Every stream begins an episode at the first call and wherever N changes.
    """

    name: str
    plays_alone: bool
    """True: it is cheap to build and needs no model that streams should share, so every worker process may build
    one and play whole episodes by itself. False: one policy acts for many environments at once, in lock-step.
    """

    def act(self, seen: Seen) -> Actions:
        """One action per stream, int64 (N,). Called once a step."""


def stream_generator(seed: int, purpose: int = 0) -> np.random.Generator:
    """The random numbers of one stream's episode; a different `purpose` gives independent ones."""
    return np.random.default_rng((seed, _POLICY_STREAM, purpose))


class Generators:
    """One generator per stream, seeded anew where an episode begins; a `purpose` of its own keeps them independent."""

    def __init__(self, purpose: int = 0) -> None:
        self._purpose = purpose
        self._generators: list[np.random.Generator] = []

    def of(self, seen: Seen) -> list[np.random.Generator]:
        """The streams' generators, N of them, after those of episodes that begin were made."""
        if seen.begun.any():
            if len(self._generators) != len(seen.begun):
                self._generators = [stream_generator(0)] * len(seen.begun)
            for i in np.flatnonzero(seen.begun):
                self._generators[i] = stream_generator(int(seen.seeds[i]), self._purpose)
        if len(self._generators) != len(seen.frames):
            raise ValueError(f"{len(seen.frames)} streams are shown, {len(self._generators)} have begun")
        return self._generators
