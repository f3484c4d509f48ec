"""Makes a token cache: cuts episodes into clips, encodes them in full batches, and writes a shard each time
enough frames are done.

A shard is the unit of resuming: what a finished shard holds is never encoded again, whether the build was
killed or the data set has grown.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from genieredux.checking import at_least
from genieredux.episodes.prefetch import prefetch
from genieredux.episodes.reader import Dataset
from genieredux.episodes.token_shards import (
    MARKER,
    TokenCacheSpec,
    TokenizedEpisode,
    next_shard_name,
    read_checksums,
    shard_names,
    write_marker,
    write_shard,
)
from genieredux.errors import UserError
from genieredux.runs.backends.crew import Alone, Team

log = logging.getLogger(__name__)

Encode = Callable[[np.ndarray], np.ndarray]
"""uint8 frames (B, T, H, W, 3) -> integer tokens (B, T, h, w)."""
Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


SHARD_FRAMES = 65_536
"""Frames of a shard, where nothing else is said."""


@dataclass(frozen=True)
class BuildPlan:
    """How to build. clip_frames: frames `encode` sees at once. batch_clips: clips in one call. shard_frames:
    frames a shard has, at least. framewise: what `encode` says of a frame depends on no other, so that shards of
    another clip_frames hold the same tokens.
    """

    tokenizer_id: str
    clip_frames: int
    batch_clips: int
    shard_frames: int
    framewise: bool = False

    def __post_init__(self) -> None:
        for name in ("clip_frames", "batch_clips", "shard_frames"):
            at_least(f"token cache {self.tokenizer_id}: {name}", getattr(self, name), 1)


@dataclass(frozen=True)
class Encoder:
    """What a process encodes with; `Team.map` hands it to `encode_group`. progress: called with the frames of every
    batch, where somebody listens."""

    dataset: Dataset
    encode: Encode
    plan: BuildPlan
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Group:
    """The episodes of one shard, by their numbers, and its plan."""

    episodes: tuple[int, ...]
    plan: BuildPlan


def encode_group(encoder: Encoder, group: Group) -> tuple[list[TokenizedEpisode], tuple[int, int]]:
    """The rows of a shard, and the grid of their tokens. Raises UserError where `encode` gives something else than
    ids."""
    part = encoder.dataset.take(group.episodes)
    encoded = []
    for frames, tokens in _encode(part, encoder.encode, group.plan):
        encoded.append(tokens)
        if encoder.progress is not None:
            encoder.progress(frames)
    return _split(part, np.concatenate(encoded), group.plan.clip_frames)


def build_shards(
    dataset: Dataset, encode: Encode, plan: BuildPlan, folder: Path, progress: Progress | None, team: Team | None = None
) -> None:
    """Brings the cache in `folder` up to the data set and marks it finished. The caller holds the folder's
    lock.

    team: who encodes, each worker with an `Encoder` of this data set (None: this process, with `encode`). Shards are
    the same whoever encodes them.

    Shards with an episode whose content has changed are encoded anew. Raises UserError where `folder` holds
    tokens of another tokenizer, grid or clip length, or `encode` gives something else than ids.
    """
    if plan.framewise:
        plan = _as_begun(plan, folder)
    spec, known, stale = _existing(dataset, plan, folder)
    for name in stale:
        (folder / MARKER).unlink(missing_ok=True)
        (folder / name).unlink()
    missing = [i for i, episode_id in enumerate(dataset.ids) if episode_id not in known]
    total = int(dataset.lengths.sum())
    done = total - int(dataset.lengths[missing].sum()) if missing else total
    if missing and done:
        log.info("%s: going on after %d of %d frames", folder, done, total)
    counted = _Counted(done, total, progress)
    groups = [Group(tuple(group), plan) for group in _groups(dataset, missing, plan.shard_frames)]
    who = team or Alone(Encoder(dataset, encode, plan, counted.add))
    for group, (rows, grid) in zip(groups, who.map(encode_group, groups), strict=True):
        if team is not None:
            counted.add(int(dataset.lengths[list(group.episodes)].sum()))
        spec = spec or TokenCacheSpec(plan.tokenizer_id, plan.clip_frames, grid)
        if spec.grid != grid:
            raise UserError(f"{folder}: holds tokens of grid {spec.grid}, the tokenizer gives {grid}; use another id")
        write_shard(folder / next_shard_name(folder), spec, rows)
    if spec is not None:
        write_marker(folder, spec, shard_names(folder), total)


class _Counted:
    """Frames done, told to whoever listens."""

    def __init__(self, done: int, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = done, total, progress

    def add(self, frames: int) -> None:
        self._done += frames
        if self._progress is not None:
            self._progress(self._done, self._total)


def _as_begun(plan: BuildPlan, folder: Path) -> BuildPlan:
    """The plan with the clip length of the shards that are there."""
    names = shard_names(folder)
    return replace(plan, clip_frames=read_checksums(folder / names[0])[0].clip_frames) if names else plan


def _existing(dataset: Dataset, plan: BuildPlan, folder: Path) -> tuple[TokenCacheSpec | None, set[str], list[str]]:
    """What finished shards hold: their spec, the episodes that need no more work, and shards of content that
    is no more.
    """
    wanted = dict(zip(dataset.ids, dataset.index["checksum"].to_pylist(), strict=True))
    spec: TokenCacheSpec | None = None
    known: set[str] = set()
    stale = []
    for name in shard_names(folder):
        found, checks = read_checksums(folder / name)
        if (found.tokenizer_id, found.clip_frames) != (plan.tokenizer_id, plan.clip_frames):
            raise UserError(
                f"{folder}: holds tokens of {found.tokenizer_id} in clips of {found.clip_frames}, not of "
                f"{plan.tokenizer_id} in clips of {plan.clip_frames}; use another id, or delete the folder"
            )
        if any(wanted.get(episode_id, check) != check for episode_id, check in checks.items()):
            stale.append(name)
            continue
        spec = spec or found
        known.update(checks)
    return spec, known, stale


def _groups(dataset: Dataset, episodes: list[int], shard_frames: int) -> Iterator[list[int]]:
    """Consecutive episodes, as many as fill a shard."""
    group: list[int] = []
    frames = 0
    for i in episodes:
        group.append(i)
        frames += int(dataset.lengths[i])
        if frames >= shard_frames:
            yield group
            group, frames = [], 0
    if group:
        yield group


def _clip_table(lengths: np.ndarray, clip_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Episode and first frame of every clip, clips side by side."""
    counts = -(-lengths // clip_frames)
    episodes = np.repeat(np.arange(len(lengths)), counts)
    firsts = np.concatenate([np.arange(count) for count in counts]) * clip_frames
    return episodes, firsts


def _encode(dataset: Dataset, encode: Encode, plan: BuildPlan) -> Iterator[tuple[int, np.ndarray]]:
    """Per batch of clips: how many frames are new, and the tokens (B, clip_frames, h, w), the filling
    included.
    """
    episodes, firsts = _clip_table(dataset.lengths, plan.clip_frames)
    real = np.minimum(plan.clip_frames, dataset.lengths[episodes] - firsts)
    batches = -(-len(episodes) // plan.batch_clips)

    def read(batch: int) -> np.ndarray:
        part = slice(batch * plan.batch_clips, (batch + 1) * plan.batch_clips)
        clips = []
        for i, first, frames in zip(episodes[part], firsts[part], real[part], strict=True):
            clip = dataset.frames(int(i), int(first), int(first + frames))
            clips.append(np.concatenate([clip, np.repeat(clip[-1:], plan.clip_frames - frames, axis=0)]))
        return np.stack(clips)

    for batch, clips in enumerate(prefetch(read, 0, batches, threads=1, ahead=2)):
        tokens = np.asarray(encode(clips))
        if tokens.ndim != 4 or tokens.shape[:2] != clips.shape[:2] or tokens.dtype.kind not in "iu":
            raise UserError(
                f"tokenizer {plan.tokenizer_id}: gave {tokens.dtype} {tokens.shape} for frames "
                f"{clips.shape}, "
                "wanted integers (B, T, h, w)"
            )
        if tokens.size and (tokens.min() < 0 or tokens.max() > np.iinfo(np.int32).max):
            raise UserError(f"tokenizer {plan.tokenizer_id}: token ids {tokens.min()}..{tokens.max()}")
        part = slice(batch * plan.batch_clips, (batch + 1) * plan.batch_clips)
        yield int(real[part].sum()), _narrow(tokens)


def _split(dataset: Dataset, tokens: np.ndarray, clip_frames: int) -> tuple[list[TokenizedEpisode], tuple[int, int]]:
    """The tokens of all clips (N, clip_frames, h, w) as episodes again, the filling cut off."""
    grid = (int(tokens.shape[2]), int(tokens.shape[3]))
    flat = tokens.reshape(-1, *grid)
    rows, first = [], 0
    checks = dataset.index["checksum"].to_pylist()
    for i, length in enumerate(dataset.lengths.tolist()):
        rows.append(TokenizedEpisode(dataset.ids[i], checks[i], flat[first : first + length], dataset.actions(i)))
        first += -(-length // clip_frames) * clip_frames
    return rows, grid


def _narrow(tokens: np.ndarray) -> np.ndarray:
    small = tokens.size == 0 or tokens.max() <= np.iinfo(np.int16).max
    return tokens.astype(np.int16 if small else np.int32)
