"""The statistics that LeRobot keeps of every feature: min, max, mean, std, count and five quantiles. Knows no file.

Numbers are kept whole and summed up at the end; pictures go into a histogram of their 256 levels per channel, which
gives the same statistics exactly, in [0, 1].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
LEVELS = 256

Stats = dict[str, Any]  # statistic -> nested lists


def number_stats(values: np.ndarray) -> Stats:
    """Of one number per row: lists of length 1; over the finite ones, all 0 where there is none."""
    values = values.astype(np.float64)
    values = values[np.isfinite(values)]
    some = values if len(values) else np.zeros(1)
    stats = {"min": some.min(), "max": some.max(), "mean": some.mean(), "std": some.std()}
    stats |= {name: np.quantile(some, share) for name, share in QUANTILES.items()}
    return {**{name: [float(value)] for name, value in stats.items()}, "count": [len(values)]}


def histogram(frames: np.ndarray) -> np.ndarray:
    """How often each level occurs per channel: frames uint8 (T, H, W, 3) -> int64 (3, 256)."""
    channels = frames.reshape(-1, frames.shape[-1])
    return np.stack([np.bincount(channels[:, c], minlength=LEVELS) for c in range(frames.shape[-1])])


def picture_stats(counts: np.ndarray, num_frames: int) -> Stats:
    """Of a histogram int64 (3, 256): lists (3, 1, 1), levels scaled to [0, 1]; count is that of frames."""
    levels = np.arange(LEVELS) / (LEVELS - 1)
    total = counts.sum(1)
    mean = counts @ levels / total
    there = counts > 0
    values = {
        "min": levels[there.argmax(1)],
        "max": levels[LEVELS - 1 - there[:, ::-1].argmax(1)],
        "mean": mean,
        "std": np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0)),
    }
    below = counts.cumsum(1) / total[:, None]
    values |= {name: levels[(below >= share - 1e-12).argmax(1)] for name, share in QUANTILES.items()}
    return {**{name: value.reshape(-1, 1, 1).tolist() for name, value in values.items()}, "count": [num_frames]}


def flatten(stats: Mapping[str, Stats]) -> dict[str, Any]:
    """As columns of the episodes' table: `stats/<feature>/<statistic>`."""
    return {f"stats/{feature}/{name}": value for feature, each in stats.items() for name, value in each.items()}
