"""All numbers of one game: what the index says of every episode, and what a sample of the frames shows.

No number here is judged; notes.py does that.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genieredux.episodes.quality.measures import (
    absolute_changes,
    blank_frames,
    frame_digests,
    longest_run,
    mean_changes,
    moving_pixels,
)
from genieredux.episodes.quality.sample import Budget, Stretch, draw
from genieredux.episodes.quality.traces import alike_groups, transition_features
from genieredux.episodes.reader import Dataset

SHORT_FRAMES = 16
"""An episode below this holds no training window."""

TRACE_TRANSITIONS = 4096
"""Transitions by which actions are compared, at most."""


@dataclass(frozen=True)
class GameMeasures:
    """A game of a data set in numbers. Shares are 0..1; whatever is None could not be told.

    From the index, all episodes: frames; lengths (shortest, median, longest) in frames; short: episodes below
    SHORT_FRAMES; terminated, truncated: shares of episodes; returns (lowest, mean, highest); actions: share of each;
    twins: share of episodes whose whole content another episode has too; bytes_per_frame: compressed.
    From the sample: transitions: how many; distinct: different frames of each stretch, by its frames; change: mean
    absolute change per transition, in levels of 255 over all pixels and channels, median_change: their median;
    moving_pixels: share of pixels that ever change; idle: share of transitions in which not one bit changes;
    longest_still: the longest run of those; blank, black: shares of frames of one colour; shared: share of frames that
    another sampled episode has too; action_change: `change` after each action; alike: groups of actions that look
    alike; rewarded: share of transitions with a reward; constant, varying: names of ground-truth variables.
    """

    game: str
    console: str
    tags: tuple[str, ...]
    episodes: int
    frames: int
    bytes_per_frame: float
    lengths: tuple[int, float, int]
    short: int
    terminated: float
    truncated: float
    returns: tuple[float, float, float]
    actions: Mapping[str, float]
    twins: float
    sampled_episodes: int
    sampled_frames: int
    distinct: float
    transitions: int
    change: float | None
    median_change: float | None
    moving_pixels: float
    idle: float | None
    longest_still: int
    blank: float
    black: float
    shared: float | None
    action_change: Mapping[str, float]
    alike: tuple[tuple[str, ...], ...]
    rewarded: float | None
    constant: tuple[str, ...]
    varying: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure(part: Dataset, budget: Budget | None = None) -> GameMeasures:
    """The measures of `part`, the episodes of one game (`dataset.select(game=...)`).

    Reads at most `budget.frames` frames. Raises `UserError` naming the file where one is damaged.
    """
    budget = budget or Budget()
    stretches = draw(part.lengths, budget)
    seen = _Seen(part, np.random.default_rng(budget.seed))
    for stretch in stretches:
        seen.look(stretch)
    first = part.index.slice(0, 1).to_pylist()[0]
    returns, lengths = part.index["return"].to_numpy(), part.lengths
    copies = Counter(part.index["checksum"].to_pylist())
    return GameMeasures(
        game=first["game"],
        console=first["console"],
        tags=tuple(first["tags"]),
        episodes=len(part),
        frames=int(lengths.sum()),
        bytes_per_frame=float(part.index["bytes"].to_numpy().sum() / max(lengths.sum(), 1)),
        lengths=(int(lengths.min()), float(np.median(lengths)), int(lengths.max())),
        short=int((lengths < SHORT_FRAMES).sum()),
        terminated=float(np.mean(part.index["terminated"].to_pylist())),
        truncated=float(np.mean(part.index["truncated"].to_pylist())),
        returns=(float(returns.min()), float(returns.mean()), float(returns.max())),
        actions=_action_shares(part),
        twins=sum(count for count in copies.values() if count > 1) / len(part),
        sampled_episodes=len({stretch.episode for stretch in stretches}),
        sampled_frames=sum(stretch.stop - stretch.start for stretch in stretches),
        **seen.result(),
    )


class _Seen:
    """Adds up what the stretches of a game show."""

    def __init__(self, part: Dataset, rng: np.random.Generator) -> None:
        self._part, self._rng = part, rng
        self._names = part.spec.action_names
        self._frames = self._distinct = self._blank = self._black = self._still = 0
        self._moving: np.ndarray | None = None
        self._changes: list[np.ndarray] = []
        self._actions: list[np.ndarray] = []
        self._features: list[np.ndarray] = []
        self._digests: dict[int, list[np.ndarray]] = {}
        self._rewards: dict[int, np.ndarray] = {}
        self._spans: dict[str, tuple[float, float]] = {}

    def look(self, stretch: Stretch) -> None:
        """Read a stretch and count what it shows."""
        clip = self._part.clip(stretch.episode, stretch.start, stretch.stop)
        digests = frame_digests(clip.frames)
        blank, black = blank_frames(clip.frames)
        self._frames += len(digests)
        self._distinct += len(np.unique(digests))
        self._blank += int(blank.sum())
        self._black += int(black.sum())
        self._digests.setdefault(stretch.episode, []).append(digests)
        self._still = max(self._still, longest_run(digests[1:] == digests[:-1]))
        changes = absolute_changes(clip.frames)
        if self._moving is None:
            self._moving = np.zeros(clip.frames.shape[1:3], bool)
        self._moving |= moving_pixels(changes)
        self._changes.append(mean_changes(changes))
        self._actions.append(clip.actions)
        if sum(map(len, self._features)) < TRACE_TRANSITIONS and self._names and len(clip.actions):
            self._features.append(transition_features(clip.frames))
        if stretch.episode not in self._rewards:
            self._look_at_truth(stretch.episode)

    def _look_at_truth(self, episode: int) -> None:
        self._rewards[episode], info = self._part.truth(episode)
        for name, values in info.items():
            low, high = self._spans.get(name, (np.inf, -np.inf))
            known = values[np.isfinite(values)].astype(np.float64)
            self._spans[name] = min(low, known.min(initial=np.inf)), max(high, known.max(initial=-np.inf))

    def result(self) -> dict[str, Any]:
        """The sampled half of `GameMeasures`."""
        changes, actions = np.concatenate(self._changes), np.concatenate(self._actions)
        rewards = np.concatenate(list(self._rewards.values()))
        moving = self._moving if self._moving is not None else np.zeros((1, 1), bool)
        return {
            "distinct": self._distinct / self._frames,
            "transitions": len(changes),
            "change": _mean(changes),
            "median_change": float(np.median(changes)) if len(changes) else None,
            "moving_pixels": float(moving.mean()),
            "idle": _mean(changes == 0),
            "longest_still": self._still,
            "blank": self._blank / self._frames,
            "black": self._black / self._frames,
            "shared": self._shared(),
            "action_change": {
                name: float(changes[actions == a].mean()) for a, name in enumerate(self._names) if (actions == a).any()
            },
            "alike": self._alike(actions),
            "rewarded": _mean(rewards != 0),
            "constant": tuple(name for name, (low, high) in self._spans.items() if low >= high),
            "varying": tuple(name for name, (low, high) in self._spans.items() if low < high),
        }

    def _alike(self, actions: np.ndarray) -> tuple[tuple[str, ...], ...]:
        if not self._features:
            return ()
        features = np.concatenate(self._features)
        groups = alike_groups(features, actions[: len(features)], len(self._names), self._rng)
        return tuple(tuple(self._names[a] for a in group) for group in groups)

    def _shared(self) -> float | None:
        """The share of sampled frames that another sampled episode has too."""
        if len(self._digests) < 2:
            return None
        episodes = [np.concatenate(parts) for parts in self._digests.values()]
        holders = Counter(int(digest) for digests in episodes for digest in np.unique(digests))
        return sum(holders[int(digest)] > 1 for digests in episodes for digest in digests) / self._frames


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _action_shares(part: Dataset) -> dict[str, float]:
    counts = np.array(part.index["action_counts"].to_pylist(), np.int64).reshape(len(part), -1).sum(axis=0)
    return dict(zip(part.spec.action_names, (counts / max(counts.sum(), 1)).tolist(), strict=True))
