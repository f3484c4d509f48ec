"""Confidence intervals of means and correlations over clips, by resampling episodes. It knows numbers only."""

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean and its percentile interval; three float64 arrays of one shape. NaN bounds: fewer than two
    episodes.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, *index: int) -> "Estimate":
        """One element, as an Estimate of scalars."""
        return Estimate(self.mean[index], self.low[index], self.high[index])

    def to_json(self) -> dict[str, object]:
        """`{mean, low, high}` as plain floats or lists."""
        return {"mean": self.mean.tolist(), "low": self.low.tolist(), "high": self.high.tolist()}


class EpisodeBootstrap:
    """Resamples the episodes of a test set, the same draw for every quantity, so that differences are paired.

    episodes: (N,) the episode of each clip. level: of the interval, 0.95 for 95 %. resamples: how many.
    A resampled mean is over all clips of the drawn episodes (an episode with more clips weighs more, as it
    does in the mean itself).
    """

    def __init__(self, episodes: np.ndarray, resamples: int, level: float, seed: int) -> None:
        _, self._of_clip = np.unique(episodes, return_inverse=True)
        self.episodes = int(self._of_clip.max()) + 1 if len(episodes) else 0
        rng = np.random.default_rng(seed)
        share = np.full(self.episodes, 1 / max(self.episodes, 1))
        self._draws = rng.multinomial(self.episodes, share, size=resamples).astype(np.float64)  # (R, E)
        self._tails = (50 * (1 - level), 100 - 50 * (1 - level))

    def estimate(self, values: np.ndarray) -> Estimate:
        """values: float (N, ...), one row per clip -> Estimate of shape (...)."""
        return self.ratio(values, np.ones(len(values)).reshape(-1, *[1] * (values.ndim - 1)))

    def ratio(self, values: np.ndarray, weights: np.ndarray) -> Estimate:
        """Sum of `values` over sum of `weights`, both over the clips: a weighted mean where values carry their weight.

        values: (N, ...); weights: (N, ...), broadcast to it -> Estimate of shape (...); NaN where nothing weighs.
        """
        shape = values.shape[1:]
        above = self._per_episode(values)
        below = self._per_episode(np.broadcast_to(weights, values.shape))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = above.sum(0) / below.sum(0)
            low, high = self._interval((self._draws @ above) / (self._draws @ below))
        return Estimate(mean.reshape(shape), low.reshape(shape), high.reshape(shape))

    def correlation(self, x: np.ndarray, y: np.ndarray) -> Estimate:
        """Pearson's correlation of x and y, float (N, ...) both, over clips and all other axes -> a scalar Estimate.

        NaN where one of them does not vary.
        """
        x, y = (values.reshape(len(values), -1).astype(np.float64) for values in (x, y))
        x, y = x - x.mean(), y - y.mean()  # sums of squares of large numbers would cancel
        sums = np.stack([np.full(len(x), x.shape[1]), *(v.sum(1) for v in (x, y, x * x, y * y, x * y))], 1)
        per_episode = self._per_episode(sums)
        mean = _correlation(per_episode.sum(0, keepdims=True))
        low, high = self._interval(_correlation(self._draws @ per_episode)[:, None])
        return Estimate(mean[0], low[0], high[0])

    def _per_episode(self, values: np.ndarray) -> np.ndarray:
        rows = values.reshape(len(values), -1).astype(np.float64)
        sums = np.zeros((self.episodes, rows.shape[1]))
        np.add.at(sums, self._of_clip, rows)
        return sums

    def _interval(self, resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Percentiles of (R, K) over R, without what is not a number."""
        if self.episodes < 2:
            return (np.full(resampled.shape[1], np.nan),) * 2
        if np.isfinite(resampled).all():
            low, high = np.percentile(resampled, self._tails, axis=0)
            return low, high
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of nothing but NaN stays NaN
            low, high = np.nanpercentile(resampled, self._tails, axis=0)
        return low, high


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value among all, ties sharing their mean rank: Pearson of ranks is Spearman's correlation."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse].reshape(values.shape)


def _correlation(sums: np.ndarray) -> np.ndarray:
    """Of (R, 6) sums n, x, y, xx, yy, xy."""
    n, x, y, xx, yy, xy = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y))
    return np.clip(r, -1, 1)
