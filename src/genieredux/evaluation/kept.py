"""Frames of a few clips, for pictures: which are kept while a test set streams by. It knows no world and no file."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class KeptClips:
    """Frames of a few clips, for pictures: uint8 (K, T, S, S, 3), T = prompt + horizon, the prompt included.

    A row that was not drawn has no frame, (K, 0, S, S, 3), the others begin with the true prompt frames.
    index: (K,) of the clip in its test set.
    random_actions: what the world dreamed under Genie's counterfactual; held: under one action all along.
    entropy: float32 (K, N, h, w), nats.
    actions: int64 (K, T-1), the true ones; psnr: float (K, N) of the model, dB. gain: float (K,), the model's mean PSNR
    minus that of repeating the last frame, dB: what makes a clip one of the worst or best.
    """

    index: np.ndarray
    truth: np.ndarray
    model: np.ndarray
    tokenizer_only: np.ndarray
    random_actions: np.ndarray
    entropy: np.ndarray
    actions: np.ndarray
    psnr: np.ndarray
    gain: np.ndarray
    held: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: np.ndarray) -> "KeptClips":
        """These rows, in this order."""
        return KeptClips(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})

    def arrays(self) -> dict[str, np.ndarray]:
        """By name; what holds nothing is left out."""
        held = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: array for name, array in held.items() if array.size}


def evenly(count: int, wanted: int) -> np.ndarray:
    """At most `wanted` of 0..count-1, spread evenly, int64."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)) if wanted else np.empty(0, int)


def extremes(quality: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """(the rows of least quality, worst first; of most, best first), at most `wanted` each. quality: (N,), dB."""
    order = np.argsort(quality, kind="stable")
    return order[:wanted], order[::-1][:wanted]


class Keeper:
    """Keeps the clips spread evenly over a test set and its worst and best so far, and lets the others go."""

    def __init__(self, count: int, wanted: int, of_each_end: int) -> None:
        """count: clips of the test set."""
        self._even = evenly(count, wanted)
        self._of_each_end = of_each_end
        self._held: KeptClips | None = None

    def add(self, batch: KeptClips | None) -> None:
        """Clips of the next batch, with what `candidates` named among them."""
        if batch is None:
            return
        held = batch if self._held is None else _join(self._held, batch)
        wanted = np.concatenate([*extremes(held.gain, self._of_each_end), self._rows(held)])
        self._held = held.take(np.unique(wanted))

    def even(self) -> KeptClips | None:
        """The clips spread evenly, in their order; None where none is wanted."""
        return None if self._held is None or not len(self._even) else self._held.take(self._rows(self._held))

    def ends(self) -> dict[str, KeptClips]:
        """`worst` and `best`, the most so first."""
        if self._held is None or not self._of_each_end:
            return {}
        worst, best = extremes(self._held.gain, self._of_each_end)
        return {"worst": self._held.take(worst), "best": self._held.take(best)}

    def _rows(self, held: KeptClips) -> np.ndarray:
        return np.flatnonzero(np.isin(held.index, self._even))


def candidates(indices: Sequence[int], count: int, wanted: int, of_each_end: int, quality: np.ndarray) -> np.ndarray:
    """The rows of a batch that a Keeper may want: its clips `indices` of `count`; quality: (B,), the gain of each."""
    even = np.flatnonzero(np.isin(np.asarray(indices), evenly(count, wanted)))
    return np.unique(np.concatenate([even, *extremes(quality, of_each_end)])).astype(int)


def _join(first: KeptClips, second: KeptClips) -> KeptClips:
    return KeptClips(
        **{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in first.__dataclass_fields__}
    )
