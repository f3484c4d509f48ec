"""Who plays: the protocol that every policy keeps, and what they share. It knows no game and no file.

A vector of environments is played by streams, one per environment. A stream's actions depend on the seed of
its episode and on the frames it saw, never on how many streams there are: that is why collection gives the
same bytes on any machine.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
Actions = NDArray[np.int64]
_POLICY_STREAM = 0x9011C7  # keeps a policy's random numbers apart from others drawn with the same episode seed


class Policy(Protocol):
    """Plays `n` environments at once. Recurrent state lives here, one state per stream."""

    name: str
    plays_alone: bool
    """True: it is cheap to build and needs no model that streams should share, so every worker process may build
    one and play whole episodes by itself. False: one policy acts for many environments at once, in lock-step.
    """

    def reset(self, n: int, seed: int | Sequence[int]) -> None:
        """Begin with `n` streams; one seed per stream, or one int from which each stream's is derived."""

    def on_reset(self, mask: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> None:
        """The streams in `mask` (N,) begin a new episode; `seeds` holds N values of which those in `mask`
        count.
        """

    def act(self, frames: Frames) -> Actions:
        """One action per stream, int64 (N,), for the frames uint8 (N, H, W, 3) now shown."""


def episode_seeds(n: int, seed: int | Sequence[int]) -> list[int]:
    """One seed per stream. An int gives stream i the i-th of a sequence that does not depend on `n`."""
    if not isinstance(seed, int):
        if len(seed) != n:
            raise ValueError(f"{n} streams need {n} seeds, got {len(seed)}")
        return [int(value) for value in seed]
    return [_derived(seed, i) for i in range(n)]


def next_seed(seed: int) -> int:
    """The seed of the episode after the one with `seed`, for streams whose next seed nobody gave."""
    return _derived(seed, 1)


def _derived(seed: int, number: int) -> int:
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0]) >> 2


def stream_generator(seed: int, purpose: int = 0) -> np.random.Generator:
    """The random numbers of one stream's episode; a different `purpose` gives independent ones."""
    return np.random.default_rng((seed, _POLICY_STREAM, purpose))


class SeededStreams:
    """Keeps one generator per stream, seeded per episode: the base of policies that draw at random."""

    _purpose = 0

    def reset(self, n: int, seed: int | Sequence[int]) -> None:
        """See `Policy.reset`."""
        self._seeds = episode_seeds(n, seed)
        self._generators = [stream_generator(value, self._purpose) for value in self._seeds]
        self._begin(np.ones(n, dtype=bool))

    def on_reset(self, mask: NDArray[np.bool_], seeds: Sequence[int] | None = None) -> None:
        """See `Policy.on_reset`."""
        for i in np.flatnonzero(mask):
            self._seeds[i] = next_seed(self._seeds[i]) if seeds is None else int(seeds[i])
            self._generators[i] = stream_generator(self._seeds[i], self._purpose)
        self._begin(np.asarray(mask))

    def _begin(self, mask: NDArray[np.bool_]) -> None:
        """The generators of the streams in `mask` are new."""
