"""What a data set holds, in numbers, from its index alone: what `genieredux data info` shows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genieredux.episodes.reader import Dataset
from genieredux.episodes.token_shards import MARKER, TOKENS_FOLDER

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class DatasetInfo:
    """A summary. bytes: on disk, compressed. actions: share of each action, 0..1. lengths: quantiles 0, 25,
    50, 75, 100 % in frames.

    games, policies, splits: name -> (episodes, frames). returns: (lowest, mean, highest) sum of rewards.
    levels: distinct (game, instance). ended: share of episodes that ended by themselves. token_caches: ids of
    the finished ones (local data sets only).
    """

    path: str
    name: str
    image_size: int
    episodes: int
    frames: int
    bytes: int
    actions: Mapping[str, float]
    lengths: tuple[int, ...]
    games: Mapping[str, tuple[int, int]]
    policies: Mapping[str, tuple[int, int]]
    splits: Mapping[str, tuple[int, int]]
    levels: int
    returns: tuple[float, float, float]
    ended: float
    token_caches: tuple[str, ...]

    @property
    def bytes_per_frame(self) -> float:
        """Compressed bytes a frame takes, actions and ground truth included."""
        return self.bytes / max(self.frames, 1)

    def to_text(self) -> str:
        """A table for a terminal, some 20 lines."""
        raw = self.image_size**2 * 3
        rows = [
            ("data set", f"{self.name}  ({self.path})"),
            (
                "episodes",
                f"{self.episodes:,}  ({self.levels:,} levels, {self.ended:.0%} ended by themselves)",
            ),
            ("frames", f"{self.frames:,}  ({self.image_size}x{self.image_size})"),
            ("size", f"{self.bytes / 1e6:,.1f} MB, {self.bytes_per_frame:,.0f} bytes a frame (raw {raw:,})"),
            ("length", "  ".join(f"{q:.0%} {v:,}" for q, v in zip(QUANTILES, self.lengths, strict=True))),
            ("return", "lowest {:g}  mean {:.4g}  highest {:g}".format(*self.returns)),
            (
                "actions",
                "  ".join(f"{name} {share:.1%}" for name, share in self.actions.items()) or "none recorded",
            ),
            ("tokens", ", ".join(self.token_caches) or "none"),
        ]
        for title, counts in (("splits", self.splits), ("policies", self.policies), ("games", self.games)):
            rows += [
                (title if k == 0 else "", f"{name}: {episodes:,} episodes, {frames:,} frames")
                for k, (name, (episodes, frames)) in enumerate(_top(counts))
            ]
        return "\n".join(f"{title:<10}{text}" for title, text in rows)


def describe(dataset: Dataset) -> DatasetInfo:
    """Summarises a data set, or a `select` of one, without opening an episode file."""
    index, lengths = dataset.index, dataset.lengths
    counts = np.zeros(len(dataset.spec.action_names), np.int64)
    for taken in index["action_counts"].to_pylist():
        counts += np.array(taken, np.int64)
    returns = index["return"].to_numpy()
    return DatasetInfo(
        path=dataset.path,
        name=dataset.spec.name,
        image_size=dataset.spec.image_size,
        episodes=len(dataset),
        frames=int(lengths.sum()),
        bytes=int(index["bytes"].to_numpy().sum()),
        actions=dict(zip(dataset.spec.action_names, (counts / max(counts.sum(), 1)).tolist(), strict=True)),
        lengths=tuple(int(v) for v in np.quantile(lengths, QUANTILES, method="nearest")),
        games=_count(index["game"].to_pylist(), lengths),
        policies=_count(index["policy"].to_pylist(), lengths),
        splits=_count(index["split"].to_pylist(), lengths),
        levels=len(set(zip(index["game"].to_pylist(), index["instance"].to_pylist(), strict=True))),
        returns=(float(returns.min()), float(returns.mean()), float(returns.max())),
        ended=float(np.mean(index["terminated"].to_pylist())),
        token_caches=_token_caches(dataset.path),
    )


def _count(names: list[str], lengths: np.ndarray) -> dict[str, tuple[int, int]]:
    episodes: Counter[str] = Counter(names)
    frames: Counter[str] = Counter()
    for name, length in zip(names, lengths.tolist(), strict=True):
        frames[name] += length
    return {name: (episodes[name], frames[name]) for name in sorted(episodes)}


def _top(counts: Mapping[str, tuple[int, int]], most: int = 12) -> list[tuple[str, tuple[int, int]]]:
    """The largest, and the rest in one line."""
    ordered = sorted(counts.items(), key=lambda item: -item[1][1])
    rest = ordered[most:]
    if rest:
        more = (sum(n for _, (n, _) in rest), sum(n for _, (_, n) in rest))
        return [*ordered[:most], (f"{len(rest)} more", more)]
    return ordered


def _token_caches(path: str) -> tuple[str, ...]:
    folder = Path(path) / TOKENS_FOLDER
    return tuple(sorted(marker.parent.name for marker in folder.glob(f"*/{MARKER}")))
