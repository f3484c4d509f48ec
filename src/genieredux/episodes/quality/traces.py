"""Which actions cannot be told apart by what they do to the picture.

Each transition becomes a few numbers per cell of a coarse grid: how much changed, and in which direction the picture
moved there (the products of the change in time with the slopes in space, as in Lucas and Kanade 1981). Two actions are
alike where the means of these numbers differ nowhere by more than when the actions are shuffled among the transitions.
The shuffle is fair where each action was drawn by itself, as random play does; where actions are held, neighbours are
alike and the test finds differences too easily, never too few.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

CELLS = 8
LEAST_TRANSITIONS = 200
"""An action with fewer transitions is not judged: the test would find nothing, whatever the action does."""
ROUNDS = 99
LIKELY = 0.05
"""Two actions are alike where more than this share of shuffles sets them as far apart."""

_SIDE = 32  # frames are averaged down to about this before: a sprite still moves by parts of a pixel


def transition_features(frames: np.ndarray) -> np.ndarray:
    """frames uint8 (T, H, W, 3) -> float32 (T-1, 3 * cells): change, motion across, motion down, cell by cell."""
    grey = _small_grey(frames)
    change = grey[1:] - grey[:-1]
    mean = (grey[1:] + grey[:-1]) / 2
    across, down = np.zeros_like(mean), np.zeros_like(mean)
    across[:, :, 1:-1] = mean[:, :, 2:] - mean[:, :, :-2]
    down[:, 1:-1] = mean[:, 2:] - mean[:, :-2]
    return np.concatenate([_cells(np.abs(change)), _cells(change * across), _cells(change * down)], axis=1)


def alike_groups(
    features: np.ndarray, actions: np.ndarray, num_actions: int, rng: np.random.Generator
) -> tuple[tuple[int, ...], ...]:
    """Groups of two actions or more that look alike, each pair of them.

    features: float32 (N, D) of `transition_features`; actions: int64 (N,), the action of each transition. Actions with
    fewer than LEAST_TRANSITIONS are left out. Where nothing ever moves, all are alike.
    """
    judged = [a for a in range(num_actions) if (actions == a).sum() >= LEAST_TRANSITIONS]
    if len(judged) < 2:
        return ()
    kept = np.isin(actions, judged)
    features, actions = _standardised(features[kept]), np.searchsorted(judged, actions[kept])
    pairs = list(combinations(range(len(judged)), 2))
    seen = _distances(features, actions, pairs)
    beyond = np.zeros(len(pairs))
    for _ in range(ROUNDS):
        beyond += _distances(features, rng.permutation(actions), pairs) >= seen
    likely = (1 + beyond) / (1 + ROUNDS) > LIKELY
    same = {pair for pair, is_alike in zip(pairs, likely, strict=True) if is_alike}
    return tuple(tuple(judged[a] for a in group) for group in _cliques(len(judged), same))


def _small_grey(frames: np.ndarray) -> np.ndarray:
    """float32 (T, h, w): the mean of the channels, averaged down by a whole factor to about _SIDE."""
    factor = max(1, min(frames.shape[1:3]) // _SIDE)
    height, width = (side // factor for side in frames.shape[1:3])
    cut = frames[:, : height * factor, : width * factor]
    rows = cut.reshape(len(cut), height, factor, -1).sum(axis=2, dtype=np.uint32)
    weights = np.full(3 * factor, 1 / (3 * factor * factor), np.float32)
    return rows.reshape(len(cut), height, width, 3 * factor).astype(np.float32) @ weights


def _cells(values: np.ndarray) -> np.ndarray:
    """Sums over a grid of at most CELLS x CELLS cells, (T, h, w) -> (T, cells)."""
    for axis in (1, 2):
        count = min(CELLS, values.shape[axis])
        firsts = np.arange(count) * values.shape[axis] // count
        values = np.add.reduceat(values, firsts, axis=axis)
    return values.reshape(len(values), -1)


def _standardised(features: np.ndarray) -> np.ndarray:
    """Roots of the features, each column with mean 0 and deviation 1; columns that never change are left out.

    Without the root a few changes of the whole screen would outweigh every step of a player.
    """
    roots = np.sign(features) * np.sqrt(np.abs(features))
    deviation = roots.std(axis=0)
    moving = deviation > 1e-6
    return (roots[:, moving] - roots[:, moving].mean(axis=0)) / deviation[moving]


def _distances(features: np.ndarray, actions: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """The largest distance between the two actions' means of any one feature, for each pair.

    The largest, not the sum: a player is in few cells at a time (on 33 games it told more pairs apart).
    """
    one_hot = np.zeros((int(actions.max()) + 1, len(actions)), np.float32)
    one_hot[actions, np.arange(len(actions))] = 1
    means = (one_hot @ features) / one_hot.sum(axis=1, keepdims=True)
    return np.array([np.abs(means[a] - means[b]).max(initial=0.0) for a, b in pairs])


def _cliques(count: int, same: set[tuple[int, int]]) -> list[list[int]]:
    """Disjoint groups, each alike pair by pair, built in order."""
    groups: list[list[int]] = []
    for action in range(count):
        home = next((group for group in groups if all((other, action) in same for other in group)), None)
        if home is None:
            groups.append([action])
        else:
            home.append(action)
    return [group for group in groups if len(group) > 1]
