"""Merges many small episode files into few larger ones, so that a copy to a bucket or the Hub is not a
million files.

Safe at any moment: new shards appear whole and are read back before anything is removed, the index changes in
one step, and only then do the small files go. A kill in between leaves episodes twice, never none; the next
compaction clears that up. Episodes keep their ids and bytes.
"""

import contextlib
import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.episodes.block_file import BlockFile, check_columns, checksum, damaged_file, decode_episode
from genieredux.episodes.index import (
    EPISODES_FOLDER,
    IndexRow,
    is_own,
    list_files,
    read_index,
    read_spec,
    scan,
    scan_file,
    write_index,
)
from genieredux.episodes.schema import SHARD_PREFIX, DatasetSpec
from genieredux.errors import UserError
from genieredux.runs.files import remove_unfinished, write_new, writing
from genieredux.runs.locks import WritersLock, exclusive
from genieredux.runs.places import user_path

log = logging.getLogger(__name__)

_READ_BLOCKS = 64


@dataclass(frozen=True)
class Compaction:
    """What was done: how many files there were and are, and how many shards were written."""

    files_before: int
    files_after: int
    shards_written: int


def compact(path: str | Path, shard_frames: int = 16_384) -> Compaction:
    """Merges the files of the local data set at `path` into shards of about `shard_frames` frames; larger
    files stay as they are.

    A data set that somebody reads meanwhile must be opened again afterwards. Raises UserError where somebody
    writes to it, a file is damaged (nothing is removed then), or the disk is full.
    """
    root = user_path(path)
    fs = fsspec.filesystem("file")
    spec = read_spec(fs, str(root))
    writers = WritersLock(root)
    writers.hold_alone()
    try:
        with exclusive(root):
            remove_unfinished(root / EPISODES_FOLDER, shared=True)
            before = list_files(fs, str(root))
            rows = scan(fs, str(root))
            _check_none_lost(root, spec, rows)
            groups = list(_groups(rows, shard_frames))
            written = [_write_shard(root, group) for group in groups]
            merged = {row.file for group in groups for entries in group for row in entries}
            rows = scan(fs, str(root))
            replaced = [*merged, *_left_over(root, set(before) - merged, rows)]
            write_index(root, rows)
            for file in replaced:
                with writing(root / file):
                    (root / file).unlink()
            return Compaction(len(before), len({row.file for row in rows}), len(written))
    finally:
        writers.release()


def _check_none_lost(root: Path, spec: DatasetSpec, rows: list[IndexRow]) -> None:
    """Raises UserError where the index has an episode that no file has: its file was swapped or taken away."""
    try:
        index = read_index(fsspec.filesystem("file"), str(root), spec)
    except UserError as error:
        log.warning("%s: the index is unreadable and will be made anew (%s)", root, error)
        return
    known = {row.meta.id: row.meta.checksum for row in rows}
    for episode_id, checksum_, file in zip(
        *(index[name].to_pylist() if index else [] for name in ("id", "checksum", "file")), strict=True
    ):
        if known.get(episode_id) != checksum_:
            raise UserError(
                f"{root / file}: episode {episode_id} is in the index, but no file holds it as the index says; put the "
                f"file back, or the index that was made of it, or go by the files alone with `genieredux data index "
                f"{root}`; nothing was changed"
            )


def _left_over(root: Path, files: Iterable[str], rows: list[IndexRow]) -> list[str]:
    """Those of `files` that a killed compaction had merged already; the episodes in its shard are read back first.

    A copy under another name stays: nobody knows what it stands for. Raises UserError where the shard is damaged.
    """
    used = {row.file for row in rows}
    by_id = {row.meta.id: row for row in rows}
    left = []
    for file in sorted(set(files) - used):
        held = scan_file(fsspec.filesystem("file"), str(root), file)
        if is_own(file, held):
            for row in held:
                _check(root, root / by_id[row.meta.id].file, [by_id[row.meta.id]])
            left.append(file)
    return left


def _groups(rows: list[IndexRow], shard_frames: int) -> Iterator[list[list[IndexRow]]]:
    """Files to merge: neighbours in the order of their first episode, until they fill a shard. Each file is
    the list of its rows.
    """
    files: dict[str, list[IndexRow]] = {}
    for row in rows:
        files.setdefault(row.file, []).append(row)
    group: list[list[IndexRow]] = []
    frames = 0
    for entries in files.values():
        size = sum(row.meta.length for row in entries)
        if size >= shard_frames:
            continue
        if group and frames + size > shard_frames:
            if len(group) > 1:
                yield group
            group, frames = [], 0
        group.append(entries)
        frames += size
    if len(group) > 1:
        yield group


def _write_shard(root: Path, group: list[list[IndexRow]]) -> str:
    """Writes one shard of all episodes of these files, by id, and reads it back. Returns its name."""
    rows = sorted((row for entries in group for row in entries), key=lambda row: row.meta.id)
    name = hashlib.sha256("\n".join(row.meta.id + row.meta.checksum for row in rows).encode()).hexdigest()[:16]
    file = f"{EPISODES_FOLDER}/{SHARD_PREFIX}{name}.parquet"

    def write(target: BinaryIO) -> None:
        with BlockFile(target) as blocks:
            for row in rows:
                blocks.add(_tables(root / row.file, row), row.meta)
        target.flush()
        firsts = accumulate((row.meta.rows for row in rows), initial=0)
        _check(root, Path(target.name), [replace(row, row=first) for row, first in zip(rows, firsts, strict=False)])

    write_new(root / file, write)
    return file


def _tables(path: Path, row: IndexRow) -> Iterator[pa.Table]:
    """The rows of an episode that lies in the file at `path`."""
    with _opened(path) as source:
        for first in range(row.row, row.row + row.meta.rows, _READ_BLOCKS):
            last = min(first + _READ_BLOCKS, row.row + row.meta.rows)
            yield source.read_row_groups(range(first, last), use_threads=False)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """An episode file to read. What a damaged one raises becomes a UserError that names it."""
    try:
        with pq.ParquetFile(pa.memory_map(str(path)), page_checksum_verification=True) as source:
            check_columns(source.metadata)
            yield source
    except (OSError, pa.ArrowException, ValueError) as error:
        raise damaged_file(str(path), error) from error


def _check(root: Path, shard: Path, rows: list[IndexRow]) -> None:
    """Raises UserError unless these rows of the shard have the content that they were written with."""
    with _opened(shard) as source:
        for row in rows:
            groups = range(row.row, row.row + row.meta.rows)
            episode = decode_episode(source.read_row_groups(groups, use_threads=False), row.meta)
            if checksum(episode) != row.meta.checksum:
                raise UserError(
                    f"{root / row.file}: episode {row.meta.id} is not what was written (checksum); delete the file"
                )
