"""Merges many small episode files into few larger ones, so that a copy to a bucket or the Hub is not a
million files.

Safe at any moment: new shards appear whole and are read back before anything is removed, the index changes in
one step, and only then do the small files go. A kill in between leaves episodes twice, never none; the next
compaction clears that up. Episodes keep their ids and bytes.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.episodes.block_file import BlockFile, checksum, damaged_file, decode_episode
from genieredux.episodes.index import (
    EPISODES_FOLDER,
    IndexRow,
    list_files,
    read_spec,
    scan,
    write_index,
)
from genieredux.episodes.schema import SHARD_PREFIX
from genieredux.errors import UserError
from genieredux.runs.files import remove_unfinished, write_new, writing
from genieredux.runs.locks import WritersLock, exclusive

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
    root = Path(path)
    fs = fsspec.filesystem("file")
    read_spec(fs, str(root))
    writers = WritersLock(root)
    writers.hold_alone()
    try:
        with exclusive(root):
            remove_unfinished(root / EPISODES_FOLDER, shared=True)
            before = list_files(fs, str(root))
            rows = scan(fs, str(root))
            written = 0
            for group in _groups(rows, shard_frames):
                written += _write_shard(root, group)
            rows = scan(fs, str(root))
            write_index(root, rows)
            used = {row.file for row in rows}
            for file in before:
                if file not in used:
                    with writing(root / file):
                        (root / file).unlink()
            return Compaction(len(before), len(used), written)
    finally:
        writers.release()


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


def _write_shard(root: Path, group: list[list[IndexRow]]) -> int:
    """Writes one shard of all episodes of these files, in the order of their ids, and reads it back. Returns
    1.
    """
    rows = sorted((row for entries in group for row in entries), key=lambda row: row.meta.id)
    name = hashlib.sha256("\n".join(row.meta.id + row.meta.checksum for row in rows).encode()).hexdigest()[:16]
    file = f"{EPISODES_FOLDER}/{SHARD_PREFIX}{name}.parquet"

    def write(file: BinaryIO) -> None:
        with BlockFile(file) as blocks:
            for row in rows:
                blocks.add(_tables(root, row), row.meta)
        file.flush()
        _check(root, Path(file.name), rows)

    write_new(root / file, write)
    return 1


def _tables(root: Path, row: IndexRow) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(root / row.file, memory_map=True, page_checksum_verification=True) as source:
            for first in range(row.row, row.row + row.meta.rows, _READ_BLOCKS):
                last = min(first + _READ_BLOCKS, row.row + row.meta.rows)
                yield source.read_row_groups(range(first, last), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged_file(f"{root / row.file}", error) from error


def _check(root: Path, aside: Path, rows: list[IndexRow]) -> None:
    """Raises UserError unless every episode in the new file has the content its old one was written with."""
    with pq.ParquetFile(aside, memory_map=True) as shard:
        first = 0
        for row in rows:
            groups = range(first, first + row.meta.rows)
            episode = decode_episode(shard.read_row_groups(groups, use_threads=False), row.meta)
            if checksum(episode) != row.meta.checksum:
                raise UserError(
                    f"{root / row.file}: episode {row.meta.id} is not what was written (checksum); delete the file"
                )
            first += row.meta.rows
