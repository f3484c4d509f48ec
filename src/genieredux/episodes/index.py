"""The index: a row per episode, so that nobody opens every file to know what there is. It can always be
rebuilt from the files.

Rows are sorted by episode id, so the order (and with it every sampler's order) does not depend on who wrote
which file when, nor on how the files were compacted. Works on local folders and on any fsspec file system;
writing the index needs a local one.
"""

import json
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genieredux.episodes.block_file import (
    META_KEY,
    EpisodeMeta,
    damaged_file,
    episode_sizes,
    meta_from_plain,
    metas_from_json,
)
from genieredux.episodes.schema import SCHEMA_VERSION, SHARD_PREFIX, DatasetSpec, is_episode_id
from genieredux.errors import UserError, reason
from genieredux.runs.files import sync_folder, write_atomically
from genieredux.runs.locks import exclusive
from genieredux.runs.places import is_inside

log = logging.getLogger(__name__)

SPEC_NAME = "dataset.json"
INDEX_NAME = "index.parquet"
EPISODES_FOLDER = "episodes"
_MOST_ROWS_A_BYTE = 8  # ids differ, so no index is packed tighter
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,199}\.parquet")

INDEX_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("game", pa.string()),
        ("console", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("split", pa.string()),
        ("length", pa.int32()),
        ("return", pa.float64()),
        ("terminated", pa.bool_()),
        ("truncated", pa.bool_()),
        ("policy", pa.string()),
        ("seed", pa.int64()),
        ("instance", pa.int64()),
        ("file", pa.string()),
        ("row", pa.int32()),
        ("bytes", pa.int64()),
        ("checksum", pa.string()),
        ("shape", pa.list_(pa.int32())),
        ("action_counts", pa.list_(pa.int64())),
        ("info_dtypes", pa.string()),
    ],
    metadata={META_KEY: json.dumps({"schema_version": SCHEMA_VERSION}).encode()},
)


@dataclass(frozen=True)
class IndexRow:
    """One episode and where it lies. file: relative to the data set's root. row: its first row (= row group)
    there. bytes: compressed.
    """

    meta: EpisodeMeta
    file: str
    row: int
    bytes: int


def read_spec(fs: fsspec.AbstractFileSystem, root: str) -> DatasetSpec:
    """The data set's description. Raises UserError where there is none, or one this program cannot read."""
    path = f"{root}/{SPEC_NAME}"
    try:
        text = fs.cat_file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{root or '/'}: no data set here ({SPEC_NAME} is missing); give the folder that `genieredux generate` made"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged ({error}); restore it or collect the data set again") from error
    return DatasetSpec.from_json(values, path)


def scan_file(fs: fsspec.AbstractFileSystem, root: str, file: str) -> list[IndexRow]:
    """The episodes in one file, from its metadata. Raises UserError naming the file where it is truncated,
    foreign or of another version.
    """
    path = f"{root}/{file}"
    try:
        with fs.open(path, "rb") as handle:
            metadata = pq.read_metadata(handle)
        version, metas = metas_from_json(metadata.metadata[META_KEY])
        sizes = episode_sizes(metadata, metas) if version == SCHEMA_VERSION else []
    except (OSError, pa.ArrowException) as error:
        raise damaged_file(path, error) from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: not an episode file of genieredux (metadata: {error!r}); move it out of the data set"
        ) from error
    if version != SCHEMA_VERSION:
        raise UserError(f"{path}: schema version {version}, this program reads {SCHEMA_VERSION}; collect it again")
    rows, first = [], 0
    for meta, size in zip(metas, sizes, strict=True):
        rows.append(IndexRow(meta, file, first, size))
        first += meta.rows
    return rows


def list_files(fs: fsspec.AbstractFileSystem, root: str) -> list[str]:
    """The episode files of a data set, relative to its root, sorted; none that is still being written, and nothing that
    systems, editors and synchronisers left beside them.
    """
    fs.invalidate_cache(f"{root}/{EPISODES_FOLDER}")
    try:
        names = fs.ls(f"{root}/{EPISODES_FOLDER}", detail=False)
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = (name.rstrip("/").rsplit("/", 1)[-1] for name in names)
    return sorted(f"{EPISODES_FOLDER}/{name}" for name in files if _FILE.fullmatch(name))


def scan(fs: fsspec.AbstractFileSystem, root: str, known: Iterable[IndexRow] = ()) -> list[IndexRow]:
    """All episodes in the files of a data set, sorted by id; files of which `known` has rows are not opened
    again.

    An episode that lies in two files (a compaction was killed before it removed the small ones) counts once: that of
    the file with most episodes, then the one that is called after it, then the first by name.
    """
    by_file: dict[str, list[IndexRow]] = {}
    for row in known:
        by_file.setdefault(row.file, []).append(row)
    files = {file: by_file.get(file) or scan_file(fs, root, file) for file in list_files(fs, root)}
    found: dict[str, IndexRow] = {}
    for file in sorted(files, key=lambda file: (-len(files[file]), not is_own(file, files[file]), file)):
        for row in files[file]:
            other = found.setdefault(row.meta.id, row)
            if other is not row and not is_own(file, files[file]):
                log.warning("%s: %s is another copy of episode %s and is passed over", root, file, row.meta.id)
            elif other.meta.checksum != row.meta.checksum:
                raise UserError(
                    f"{root}: episode {row.meta.id} is in {other.file} and in {row.file} with other content; remove one"
                )
    return [found[episode_id] for episode_id in sorted(found)]


def is_own(file: str, rows: Sequence[IndexRow]) -> bool:
    """Whether the file is a shard, or called after its episode as the writer calls it."""
    name = file.removeprefix(f"{EPISODES_FOLDER}/").removesuffix(".parquet")
    return name.startswith(SHARD_PREFIX) or (len(rows) == 1 and name == rows[0].meta.id)


def to_table(rows: Iterable[IndexRow]) -> pa.Table:
    """Index rows as the table that index.parquet holds."""
    return pa.Table.from_pylist([_to_dict(row) for row in rows], schema=INDEX_SCHEMA)


def from_table(table: pa.Table) -> list[IndexRow]:
    """The inverse of `to_table`."""
    return [_from_dict(values) for values in table.to_pylist()]


def read_index(fs: fsspec.AbstractFileSystem, root: str, spec: DatasetSpec) -> pa.Table | None:
    """index.parquet as a table, None where there is none. Raises UserError where it is damaged, of another version, or
    says what cannot be of a data set of this description.
    """
    path = f"{root}/{INDEX_NAME}"

    def unusable(why: str) -> UserError:
        return UserError(f"{path}: {why}; rebuild it with `genieredux data index {root}`")

    try:
        with fs.open(path, "rb") as handle:
            # on this thread: one of Arrow's that still holds `handle` when the interpreter ends aborts the process
            file = pq.ParquetFile(handle)
            rows, size = file.metadata.num_rows, fs.size(path)
            if rows > _MOST_ROWS_A_BYTE * size:
                raise ValueError(f"it claims {rows} episodes in {size} bytes")
            table = file.read(use_threads=False)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, ValueError) as error:
        raise unusable(f"truncated or damaged ({reason(error)})") from error
    metadata = (table.schema.metadata or {}).get(META_KEY)
    if metadata != INDEX_SCHEMA.metadata[META_KEY] or table.column_names != INDEX_SCHEMA.names:
        raise unusable("made by another version")
    try:
        table = table.cast(INDEX_SCHEMA)
        _check_index(table, spec)
    except (ValueError, pa.ArrowException) as error:
        raise unusable(f"damaged ({reason(error)})") from error
    return table


def _check_index(table: pa.Table, spec: DatasetSpec) -> None:
    """Raises ValueError, naming the column, where a value cannot be; costs little beside reading the table."""
    for name in table.column_names:
        if table[name].null_count:
            raise ValueError(f"{name} is missing for some episodes")
    for name, least in (("length", 1), ("row", 0), ("bytes", 0)):
        lowest = pc.min(table[name]).as_py()
        if lowest is not None and lowest < least:
            raise ValueError(f"{name} is {lowest}, it must be {least} or more")
    for name, holds in (("id", is_episode_id), ("file", _is_episode_file), ("split", is_inside)):
        for value in pc.unique(table[name]).to_pylist():
            if not holds(value):
                raise ValueError(f"{name} is {value!r:.80}, which cannot be")
    if pc.count_distinct(table["id"]).as_py() != len(table):
        raise ValueError("id is the same for several episodes")
    for name, values in (("shape", (spec.image_size, spec.image_size, 3)), ("action_counts", spec.action_names)):
        counts = pc.unique(pc.list_value_length(table[name])).to_pylist()
        if counts not in ([], [len(values)]):
            raise ValueError(f"{name} has {counts} values, the data set's description {len(values)}")
    shapes = pc.list_flatten(table["shape"]).to_numpy().reshape(-1, 3)
    if not np.array_equal(shapes, np.broadcast_to((spec.image_size, spec.image_size, 3), shapes.shape)):
        raise ValueError(f"shape is not ({spec.image_size}, {spec.image_size}, 3) for some episodes")


def _is_episode_file(value: object) -> bool:
    folder, _, name = str(value).partition("/")
    return folder == EPISODES_FOLDER and bool(_FILE.fullmatch(name))


def write_index(root: Path, rows: Iterable[IndexRow]) -> pa.Table:
    """Replaces index.parquet in one step. The caller holds `exclusive(root)`."""
    table = to_table(rows)
    write_atomically(root / INDEX_NAME, lambda file: pq.write_table(table, file, compression="zstd"))
    sync_folder(root / EPISODES_FOLDER)
    return table


def rebuild_index(path: str | Path) -> pa.Table:
    """Makes index.parquet anew from the files of the local data set at `path`, reading nothing of the old
    index.

    Raises UserError naming the first file that is truncated or foreign.
    """
    root = Path(path)
    fs = fsspec.filesystem("file")
    read_spec(fs, str(root))
    with exclusive(root):
        return write_index(root, scan(fs, str(root)))


def _to_dict(row: IndexRow) -> dict[str, object]:
    values = dict(vars(row.meta), file=row.file, row=row.row, bytes=row.bytes)
    values["return"] = values.pop("total_reward")
    values["info_dtypes"] = json.dumps(dict(row.meta.info_dtypes))
    return values


def _from_dict(values: dict) -> IndexRow:
    values = dict(values)
    file, row, size = values.pop("file"), values.pop("row"), values.pop("bytes")
    values["total_reward"] = values.pop("return")
    try:
        values["info_dtypes"] = json.loads(values["info_dtypes"])
        return IndexRow(meta_from_plain(values), file, row, size)
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{INDEX_NAME}: damaged, at {file} ({error}); rebuild it with `genieredux data index`"
        ) from error
