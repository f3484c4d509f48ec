"""A factor for any reward: how new a place is within its episode, whatever it was in others. Every episode begins
with an empty memory, which is the right scale where each has a level of its own.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from genieredux.explore.coverage import cells_of
from genieredux.explore.rollout import Rollout

_NEIGHBOURS, _EPSILON, _CLUSTER, _CONSTANT, _HIGHEST = 10, 1e-4, 8e-3, 1e-3, 8.0  # Badia et al. 2020, appendix


def episodic_factor(rollout: Rollout, kind: str) -> NDArray[np.float32]:
    """float32 (T, N), from 0 to 1: of the frame that each step led to; 1 everywhere where kind is "none".

    A rollout that goes on with an episode begun before it knows nothing of that part.
    """
    factor = np.ones(rollout.shape, np.float32)
    if kind == "none":
        return factor
    of_cells: Callable[[NDArray[np.uint8]], NDArray[np.float32]] = by_visits if kind == "cells" else by_neighbours
    for piece in rollout.pieces():
        if piece.seen:
            cells = cells_of(rollout.film(piece))
            factor[piece.first : piece.first + piece.seen, piece.env] = of_cells(cells)
    return factor


def by_visits(cells: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cells (L + 1, D) of an episode's frames in order -> (L,): 1 / sqrt of how often that cell was there by then."""
    visits: dict[bytes, int] = {}
    counts = []
    for cell in cells:
        key = cell.tobytes()
        visits[key] = visits.get(key, 0) + 1
        counts.append(visits[key])
    return (1 / np.sqrt(counts[1:])).astype(np.float32)


def by_neighbours(cells: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The same by Never Give Up's kernel (Badia et al. 2020, eq. 2): small where ten frames of the episode before were
    near, measured by their own usual distance; divided by its largest value, so that it is at most 1."""
    points = cells.reshape(len(cells), -1).astype(np.float32)
    factors, usual = [], 0.0
    for k in range(1, len(points)):
        nearest = np.sort(((points[:k] - points[k]) ** 2).sum(1))[:_NEIGHBOURS]
        usual += (float(nearest.mean()) - usual) / k
        relative = np.maximum(nearest / max(usual, 1e-8) - _CLUSTER, 0)
        similarity = float(np.sqrt((_EPSILON / (relative + _EPSILON)).sum())) + _CONSTANT
        factors.append(0.0 if similarity > _HIGHEST else min(1.0, 1 / similarity * _LEAST))
    return np.array(factors, np.float32)


_LEAST = float(np.sqrt(_NEIGHBOURS * _EPSILON / (1 + _EPSILON))) + _CONSTANT
"""The similarity of a frame whose ten neighbours are all at the usual distance: factor 1."""
