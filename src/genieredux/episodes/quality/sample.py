"""Which frames are looked at: stretches of consecutive frames, drawn with a seed, that begin at a block.

Knows the lengths of episodes and nothing of their content. Most episodes are one stretch, so they are read whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.checking import at_least
from genieredux.episodes.schema import BLOCK_FRAMES

STRETCH_FRAMES = 512
"""The longest stretch: a whole episode of the published 500 actions, rounded up to blocks."""

LEAST_STRETCHES = 4
"""A budget is spent on at least so many stretches, where there are so many: one episode says little of a game."""

TOTAL_FRAMES = 1_000_000
"""Frames read over all games of a report; at some 15,000 frames a second and core this is a minute or two."""


@dataclass(frozen=True)
class Budget:
    """How much of a game is read: up to `frames` frames, chosen with `seed`."""

    frames: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("the number of sampled frames of a game", self.frames, BLOCK_FRAMES)

    @classmethod
    def of(cls, games: int, seed: int = 0) -> "Budget":
        """What each of so many games gets of `TOTAL_FRAMES`: 2,048 to 16,384 frames."""
        return cls(min(max(TOTAL_FRAMES // max(games, 1), 2048), 16_384), seed)


@dataclass(frozen=True)
class Stretch:
    """Frames start..stop-1 of episode number `episode`."""

    episode: int
    start: int
    stop: int


def draw(lengths: Sequence[int] | np.ndarray, budget: Budget) -> list[Stretch]:
    """Stretches of episodes of these lengths, in order of episode and start, within the budget (at least one).

    Same lengths and budget, same stretches. Episodes of one frame are drawn too: they have no transition, but a frame.
    """
    size = _stretch_frames(budget)
    places = [
        Stretch(episode, start, min(start + size, int(length)))
        for episode, length in enumerate(lengths)
        for start in range(0, int(length), size)
    ]
    left = budget.frames
    chosen: list[Stretch] = []
    for k in np.random.default_rng(budget.seed).permutation(len(places)):
        place = places[k]
        if chosen and place.stop - place.start > left:
            continue
        chosen.append(place)
        left -= place.stop - place.start
        if left < 1:
            break
    return sorted(chosen, key=lambda one: (one.episode, one.start))


def _stretch_frames(budget: Budget) -> int:
    fair = budget.frames // LEAST_STRETCHES // BLOCK_FRAMES * BLOCK_FRAMES
    return max(BLOCK_FRAMES, min(STRETCH_FRAMES, fair))
