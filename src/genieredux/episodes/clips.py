"""The clips that evaluation looks at: few per episode, spread over all episodes, the same for the same seed.
Knows no model and no metric.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.reader import Dataset
from genieredux.errors import UserError


@dataclass(frozen=True, eq=False)
class Clips:
    """N clips. frames uint8 (N, T, H, W, 3), actions int64 (N, T-1), episode_ids str (N,), starts int64 (N,):
    the first frame of each.
    """

    frames: np.ndarray
    actions: np.ndarray
    episode_ids: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.frames)


def clips(
    dataset: Dataset, split: str | None, num_clips: int, num_frames: int, seed: int, per_episode: int = 4
) -> Clips:
    """`num_clips` clips of `num_frames` frames that do not overlap, out of the episodes of `split` (None:
    all).

    No episode gives a second clip before every one that is long enough gave its first, and none more than
    `per_episode`. Which they are depends on the seed and on the episodes' ids and lengths alone, not on how
    the files lie. Raises UserError where there are not enough.
    """
    part = dataset if split is None else dataset.select(split=split)
    episodes, starts = choose_clips(part, num_clips, num_frames, seed, per_episode)
    size = part.spec.image_size
    frames = np.empty((num_clips, num_frames, size, size, 3), np.uint8)
    actions = np.empty((num_clips, num_actions(num_frames)), np.int64)
    for slot, (i, start) in enumerate(zip(episodes.tolist(), starts.tolist(), strict=True)):
        clip = part.clip(i, start, start + num_frames)
        frames[slot], actions[slot] = clip.frames, clip.actions
    return Clips(frames, actions, np.array([part.ids[i] for i in episodes]), starts)


def choose_clips(
    dataset: Dataset, num_clips: int, num_frames: int, seed: int, per_episode: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Episode and first frame of each clip, int64 (num_clips,) both, in order of episode and time."""
    if num_clips < 1 or num_frames < 1 or per_episode < 1:
        raise UserError(
            f"clips: num_clips={num_clips}, num_frames={num_frames}, per_episode={per_episode} must be 1 or more"
        )
    room = np.minimum(dataset.lengths // num_frames, per_episode)
    if room.sum() < num_clips:
        raise UserError(
            f"{dataset.path}: {num_clips} clips of {num_frames} frames wanted, but {len(dataset)} episodes "
            "give "
            f"{int(room.sum())} at {per_episode} per episode; ask for fewer or collect more"
        )
    generators = [np.random.default_rng([abs(seed), crc32(name.encode())]) for name in dataset.ids]
    luck = np.array([generator.random() for generator in generators])
    counts = np.zeros(len(dataset), np.int64)
    while (left := num_clips - int(counts.sum())) > 0:
        open_ = np.flatnonzero(counts < room)
        counts[open_[np.argsort(luck[open_], kind="stable")][:left]] += 1
    episodes = np.repeat(np.arange(len(dataset)), counts)
    starts = [
        _starts(generators[i], int(dataset.lengths[i]), int(counts[i]), num_frames) for i in np.flatnonzero(counts)
    ]
    return episodes, np.concatenate(starts)


def _starts(generator: np.random.Generator, length: int, count: int, num_frames: int) -> np.ndarray:
    """Where `count` clips that do not overlap begin: every such choice is possible."""
    slack = length - count * num_frames
    gaps = np.sort(generator.integers(0, slack + 1, size=count))
    return gaps + np.arange(count) * num_frames
