"""Confidence intervals of a mean over clips, by resampling episodes. It knows numbers only."""

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
        self._sizes = np.bincount(self._of_clip, minlength=self.episodes).astype(np.float64)
        rng = np.random.default_rng(seed)
        share = np.full(self.episodes, 1 / max(self.episodes, 1))
        self._draws = rng.multinomial(self.episodes, share, size=resamples).astype(np.float64)  # (R, E)
        self._tails = (50 * (1 - level), 100 - 50 * (1 - level))

    def estimate(self, values: np.ndarray) -> Estimate:
        """values: float (N, ...), one row per clip -> Estimate of shape (...)."""
        rows = values.reshape(len(values), -1).astype(np.float64)
        mean = rows.mean(0)
        if self.episodes < 2:
            low = high = np.full_like(mean, np.nan)
        else:
            sums = np.zeros((self.episodes, rows.shape[1]))
            np.add.at(sums, self._of_clip, rows)
            means = (self._draws @ sums) / (self._draws @ self._sizes)[:, None]
            low, high = np.percentile(means, self._tails, axis=0)
        shape = values.shape[1:]
        return Estimate(mean.reshape(shape), low.reshape(shape), high.reshape(shape))
