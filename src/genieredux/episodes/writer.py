"""Writes episodes into a data set, one file each, so that a kill at any moment loses at most the episode
being written.

Several processes may write into one data set at once: a finished episode never replaces another, and the
index is made under a lock.
"""

import contextlib
import json
import logging
import shutil
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import fsspec
import pyarrow as pa

from genieredux.episodes.block_file import BlockFile, EpisodeMeta, describe_episode, encode_tables
from genieredux.episodes.encoded import EncodedEpisode
from genieredux.episodes.index import (
    EPISODES_FOLDER,
    SPEC_NAME,
    IndexRow,
    from_table,
    read_index,
    read_spec,
    scan,
    write_index,
)
from genieredux.episodes.schema import DatasetSpec, Episode, make_episode_id
from genieredux.errors import UserError
from genieredux.runs.files import content_writer, remove_unfinished, write_new, writing
from genieredux.runs.locks import WritersLock, exclusive
from genieredux.runs.places import user_path

log = logging.getLogger(__name__)


class EpisodeExists(UserError):
    """An episode of this id is stored already."""


class DatasetWriter:
    """Opens or creates the data set at the local folder `path` and appends episodes to it.

    Re-opening continues: `ids` holds the episodes that are there, whether or not an index was written, and
    leftovers of a killed writer are removed. As a context manager it calls `finish()` at the end, also after
    an error or Ctrl-C, since what was appended is whole; after an error a folder that it made and that got no episode
    is removed again. Raises UserError where the folder holds a data set
    of another kind, a damaged file, or cannot be written.
    """

    def __init__(self, path: str | Path, spec: DatasetSpec) -> None:
        if "://" in str(path):
            raise UserError(f"{path}: episodes are written to a local folder; copy the finished data set there")
        self.path = user_path(path)
        self._fs = fsspec.filesystem("file")
        self._root = str(self.path)
        self._made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self._create(spec)
        self.spec = read_spec(self._fs, self._root)
        self.spec.check_same_kind(spec, self._root)
        remove_unfinished(self.path, shared=True)
        remove_unfinished(self.path / EPISODES_FOLDER, shared=True)
        self._writers = WritersLock(self.path)
        self._mutex = threading.RLock()
        self._numbers: Counter[str] = Counter()
        self._rows = self._indexed_rows()
        self._refresh()
        self._before = len(self), self.num_frames

    @property
    def growth(self) -> dict[str, int]:
        """What came in since it was opened, by whomever, and what there is now: `episodes`, `frames`,
        `total_episodes`, `total_frames`.
        """
        with self._mutex:
            self._refresh()
        episodes, frames = self._before
        counts = {"episodes": len(self) - episodes, "frames": self.num_frames - frames}
        return {**counts, "total_episodes": len(self), "total_frames": self.num_frames}

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all finished episodes this writer knows of."""
        with self._mutex:
            return frozenset(self._ids)

    @property
    def num_frames(self) -> int:
        """Frames in all finished episodes this writer knows of."""
        return self._num_frames

    @property
    def metas(self) -> tuple[EpisodeMeta, ...]:
        """The facts of all finished episodes this writer knows of, those found first."""
        with self._mutex:
            return tuple(row.meta for row in self._rows)

    def __len__(self) -> int:
        """Finished episodes this writer knows of."""
        return len(self._rows)

    def append(self, episode: Episode) -> str:
        """Stores one finished episode and returns its id. When this returns, the episode survives a kill.

        May be called from several threads at once; compression runs beside Python, so two write about twice
        as much.

        An episode without an id gets the first free one. Raises EpisodeExists where its id is taken, UserError where it
        does not fit the spec, or the disk is full (then nothing of it is left, and all earlier episodes are whole).
        """
        self.spec.check_episode(episode)
        with self._mutex:
            if self._writers.hold_shared():
                self._refresh()
        episode_id = episode.id or self._free_id(episode)
        while episode_id in self._ids or not self._write(episode, episode_id):
            if episode.id:
                raise EpisodeExists(f"{self._root}: episode {episode_id} exists already; give another id, or skip it")
            episode_id = self._free_id(episode)
        return episode_id

    def append_encoded(self, encoded: EncodedEpisode) -> str:
        """As `append`, of an episode that was compressed elsewhere; its id is in its facts."""
        meta = encoded.meta
        self.spec.check_meta(meta.shape, len(meta.action_counts))
        with self._mutex:
            if self._writers.hold_shared():
                self._refresh()
        if meta.id in self._ids or not self._write_bytes(encoded):
            raise EpisodeExists(f"{self._root}: episode {meta.id} exists already; give another id, or skip it")
        return meta.id

    def finish(self) -> pa.Table:
        """Writes index.parquet over everything in the folder, other writers' finished episodes included. May
        be called at any time.
        """
        with self._mutex, exclusive(self.path):
            self._refresh()
            table = write_index(self.path, self._rows)
            self._writers.release()
        return table

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.finish()
            if kind is not None and self._made and not self._rows:
                self._withdraw()
        except UserError:
            if kind is None:
                raise
            log.warning(
                "%s: no index could be written; the episodes are whole and found when it is opened",
                self._root,
            )
        finally:
            self._writers.release()

    def _create(self, spec: DatasetSpec) -> None:
        with writing(self.path):
            (self.path / EPISODES_FOLDER).mkdir(parents=True, exist_ok=True)
        try:
            text = json.dumps(spec.to_json(), indent=2) + "\n"
        except (TypeError, ValueError) as error:
            raise UserError(f"{self._root}: created_by must hold plain values ({error})") from error
        write_new(self.path / SPEC_NAME, content_writer(text.encode()))

    def _withdraw(self) -> None:
        """Removes the folders that this writer made."""
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(OSError):  # something else is in one of those around it
            for folder in self._made[1:]:
                folder.rmdir()

    def _indexed_rows(self) -> list[IndexRow]:
        try:
            table = read_index(self._fs, self._root, self.spec)
            return from_table(table) if table is not None else []
        except UserError as error:
            log.warning("%s: the index is unreadable and will be made anew (%s)", self._root, error)
            return []

    def _refresh(self) -> None:
        """Looks at what is in the folder now; opens only files that were not known."""
        self._rows = scan(self._fs, self._root, self._rows)
        self._ids = {row.meta.id for row in self._rows}
        self._num_frames = sum(row.meta.length for row in self._rows)

    def _free_id(self, episode: Episode) -> str:
        stem = make_episode_id(episode, 0)
        with self._mutex:
            while True:
                episode_id = make_episode_id(episode, self._numbers[stem])
                self._numbers[stem] += 1
                if episode_id not in self._ids:
                    return episode_id

    def _write(self, episode: Episode, episode_id: str) -> bool:
        """Stores the episode unless a file of this name is there; returns whether it did."""
        meta = describe_episode(episode, episode_id, len(self.spec.action_names))
        file = f"{EPISODES_FOLDER}/{episode_id}.parquet"
        sizes: list[int] = []

        def write(target: BinaryIO) -> None:
            with BlockFile(target) as blocks:
                blocks.add(encode_tables(episode), meta)
            sizes.extend(blocks.sizes)

        if not write_new(self.path / file, write):
            return False
        self._add_row(IndexRow(meta, file, 0, sizes[0]))
        return True

    def _write_bytes(self, encoded: EncodedEpisode) -> bool:
        file = f"{EPISODES_FOLDER}/{encoded.meta.id}.parquet"
        if not write_new(self.path / file, content_writer(encoded.content)):
            return False
        self._add_row(IndexRow(encoded.meta, file, 0, encoded.size))
        return True

    def _add_row(self, row: IndexRow) -> None:
        with self._mutex:
            self._rows.append(row)
            self._ids.add(row.meta.id)
            self._num_frames += row.meta.length
