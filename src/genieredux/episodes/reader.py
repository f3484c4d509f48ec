"""Reads a data set, from a local folder or any fsspec URL: whole episodes, or any frames of one without
reading the rest.

Safe to use from several threads, and to send to another process. Knows no window, no batch and no token.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genieredux.episodes.alignment import num_actions, window_slices
from genieredux.episodes.block_file import block_range, checksum, decode_episode, decode_info, decode_list
from genieredux.episodes.index import IndexRow, from_table, list_files, read_index, read_spec, scan, to_table
from genieredux.episodes.schema import BLOCK_FRAMES, DatasetSpec, Episode
from genieredux.episodes.store import EpisodeFiles
from genieredux.errors import UserError

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames of one episode with the actions between them. frames uint8 (T, H, W, 3), actions
    int64 (T-1,).
    """

    frames: np.ndarray
    actions: np.ndarray


class Dataset:
    """A finished data set. `Dataset.open(path)` makes one, `select(...)` a part of one; episodes are numbered
    0..len-1 in order of id.
    """

    def __init__(self, store: EpisodeFiles, spec: DatasetSpec, index: pa.Table) -> None:
        self.spec = spec
        self.index = index
        self._store = store

    @classmethod
    def open(cls, path: str | Path, verify: bool = False) -> "Dataset":
        """The data set at a local folder or URL (`memory://`, `s3://`, `hf://`, ...).

        Without an index (the writer was killed before `finish`) the episodes are found by looking into each
        file. verify: read everything and compare the checksums. Raises UserError where there is no data set,
        no episode, a damaged file, or another schema version.
        """
        store = EpisodeFiles(str(path))
        spec = read_spec(store.fs, store.root)
        index = read_index(store.fs, store.root, spec)
        if index is None:
            log.info("%s: no index yet, reading it from the episode files", path)
            index = to_table(scan(store.fs, store.root))
        elif store.is_local:
            unlisted = set(list_files(store.fs, store.root)) - set(index["file"].to_pylist())
            if unlisted:
                log.warning("%s: %d episode files are not in the index; rebuild it to use them", path, len(unlisted))
        if len(index) == 0:
            raise UserError(f"{path}: a data set without episodes; collect some into it first")
        dataset = cls(store, spec, index)
        if verify:
            dataset.verify()
        return dataset

    @property
    def path(self) -> str:
        """Where it lies: a local path or a URL."""
        return self._store.url

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.index)

    def __repr__(self) -> str:
        return f"Dataset({self.path}: {len(self)} episodes, {int(self.lengths.sum())} frames)"

    @cached_property
    def lengths(self) -> np.ndarray:
        """Frames of each episode, int64 (len,)."""
        return self.index["length"].to_numpy().astype(np.int64)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The id of each episode."""
        return tuple(self.index["id"].to_pylist())

    @cached_property
    def _rows(self) -> list[IndexRow]:
        return from_table(self.index)

    def select(self, **equals: Any) -> "Dataset":
        """The episodes whose index columns have these values, e.g. `select(split="test", policy="held")`.

        A list, tuple or set means any of its values. Raises UserError for an unknown column or where nothing
        is left.
        """
        mask = np.ones(len(self), dtype=bool)
        for column, wanted in equals.items():
            if column not in self.index.column_names:
                raise UserError(f"select: no column '{column}', there are {', '.join(self.index.column_names)}")
            values = list(wanted) if isinstance(wanted, (list, tuple, set, frozenset)) else [wanted]
            try:
                known = pa.array(values, type=self.index.schema.field(column).type)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise UserError(f"select: {wanted!r} cannot be a {column} ({error})") from error
            mask &= pc.is_in(self.index[column], value_set=known).to_numpy()
        if not mask.any():
            there = {name: ", ".join(sorted({str(v) for v in self.index[name].to_pylist()})[:8]) for name in equals}
            raise UserError(f"{self.path}: no episode with {equals}; there are {there}")
        return self.take(np.flatnonzero(mask))

    def take(self, episodes: Sequence[int] | np.ndarray) -> "Dataset":
        """The data set of these episodes, in this order."""
        return Dataset(self._store, self.spec, self.index.take(pa.array(episodes, pa.int64())))

    def episode(self, i: int) -> Episode:
        """Episode number i, all of it, as it was written."""
        row = self._rows[i]
        table = self._store.table(row)
        with self._store.naming(row):
            return decode_episode(table, row.meta)

    def clip(self, i: int, start: int, stop: int) -> Clip:
        """Frames start..stop-1 of episode i and the actions between them.

        Reads the blocks they lie in and nothing else. Raises IndexError outside of the episode.
        """
        row = self._rows[i]
        frames = np.empty((max(stop - start, 0), *row.meta.shape), np.uint8)
        actions = np.empty(num_actions(len(frames)), np.int64)
        self.read_into(i, start, frames, actions)
        return Clip(frames, actions)

    def read_into(self, i: int, start: int, frames: np.ndarray, actions: np.ndarray) -> None:
        """As `clip`, into arrays that are there: frames uint8 (T, H, W, 3), actions int64 (T-1,)."""
        row, stop = self._rows[i], start + len(frames)
        if not 0 <= start < stop <= row.meta.length:
            raise IndexError(f"frames {start}..{stop} of episode {row.meta.id}, which has {row.meta.length}")
        first, last = block_range(start, stop)
        blocks, taken = self._store.blocks(row, first, last)
        seen, acted = window_slices(start - first * BLOCK_FRAMES, len(frames))
        actions[:] = taken[acted]
        at = -seen.start
        for block in blocks:
            frames[max(at, 0) : at + len(block)] = block[max(-at, 0) : len(frames) - at]
            at += len(block)

    def windows(self, episodes: np.ndarray, starts: np.ndarray, num_frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 (B, T, H, W, 3) and actions int64 (B, T-1) of B windows. Raises IndexError where one leaves its
        episode.
        """
        size = self.spec.image_size
        frames = np.empty((len(episodes), num_frames, size, size, 3), np.uint8)
        actions = np.empty((len(episodes), num_actions(num_frames)), np.int64)
        for slot, (episode, start) in enumerate(zip(episodes.tolist(), starts.tolist(), strict=True)):
            self.read_into(episode, start, frames[slot], actions[slot])
        return frames, actions

    def frames(self, i: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames start..stop-1 of episode i, uint8 (stop-start, H, W, 3). Raises IndexError outside of it."""
        return self.clip(i, start, int(self.lengths[i]) if stop is None else stop).frames

    def actions(self, i: int) -> np.ndarray:
        """All actions of episode i, int64 (length-1,)."""
        return decode_list(self._store.table(self._rows[i], ["actions"])["actions"], np.int64)

    def truth(self, i: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """All rewards of episode i, float32 (length-1,), and its ground truth, name -> (length,); reads no frame."""
        row = self._rows[i]
        table = self._store.table(row, ["rewards", "info"])
        with self._store.naming(row):
            return decode_list(table["rewards"], np.float32), decode_info(table["info"], row.meta)

    def verify(self) -> None:
        """Reads every episode and compares its checksum with the index. Raises UserError naming the first
        that differs.
        """
        for i, row in enumerate(self._rows):
            if checksum(self.episode(i)) != row.meta.checksum:
                raise UserError(
                    f"{self._store.root}/{row.file}: episode {row.meta.id} is not what was written "
                    "(checksum); "
                    "delete the file, rebuild the index and collect again"
                )
