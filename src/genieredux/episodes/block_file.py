"""An episode as rows of a Parquet file, and back: the only file that knows the columns.

A row is a block of up to 16 frames, a row group is one row, so any block can be read alone. Columns: `t0`
(index of the first frame), `n` (frames in this block), `frames` (their raw bytes, n*H*W*3), `actions` and
`rewards` (those taken at these frames; the last frame of an episode has none; an action nobody recorded is
-1), `terminated` (true in the last block of an episode that ended by itself), `info` (JSON: name -> n numbers).
What else is to be known of an episode stands in the file's own metadata (key `genieredux`), so the index can be
rebuilt from the files alone.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.episodes.schema import (
    BLOCK_FRAMES,
    LABELS,
    MOST_ACTIONS,
    MOST_SIDE,
    SCHEMA_VERSION,
    UNKNOWN_ACTION,
    Episode,
    is_episode_id,
)
from genieredux.errors import UserError, reason
from genieredux.runs.places import is_inside

META_KEY = b"genieredux"
ROW_SCHEMA = pa.schema(
    [
        pa.field("t0", pa.int32(), nullable=False),
        pa.field("n", pa.int16(), nullable=False),
        pa.field("frames", pa.binary(), nullable=False),
        pa.field("actions", pa.list_(pa.field("element", pa.int16(), nullable=False)), nullable=False),
        pa.field("rewards", pa.list_(pa.field("element", pa.float32(), nullable=False)), nullable=False),
        pa.field("terminated", pa.bool_(), nullable=False),
        pa.field("info", pa.string(), nullable=False),
    ]
)
_COMPRESSION = {  # the small columns would only grow; `frames` and `info` are most of the bytes
    "t0": "none",
    "n": "none",
    "frames": "zstd",
    "actions.list.element": "none",
    "rewards.list.element": "none",
    "terminated": "none",
    "info": "zstd",
}
_DTYPE = re.compile(r"[<>|=]?[biuf][1248]")
_TABLE_BYTES = 64 << 20  # an episode is written in tables of about this size, so long ones need little memory


@dataclass(frozen=True)
class EpisodeMeta:
    """All facts about an episode but its arrays; what a file's metadata and a row of the index hold.

    length: frames T. total_reward: sum of rewards (the column `return`). action_counts: how often each action
    was taken. shape: (H, W, 3). info_dtypes: numpy dtype per info name. checksum: of the content, the same in
    whatever file it lies.
    """

    id: str
    game: str
    console: str
    tags: tuple[str, ...]
    length: int
    total_reward: float
    terminated: bool
    truncated: bool
    policy: str
    seed: int
    instance: int
    split: str
    shape: tuple[int, ...]
    action_counts: tuple[int, ...]
    info_dtypes: Mapping[str, str]
    checksum: str

    @property
    def rows(self) -> int:
        """Blocks of this episode."""
        return num_blocks(self.length)


def num_blocks(length: int) -> int:
    """Blocks that `length` frames fill."""
    return -(-length // BLOCK_FRAMES)


def block_range(start: int, stop: int) -> tuple[int, int]:
    """The first block and the block after the last that frames start..stop-1 lie in."""
    return start // BLOCK_FRAMES, num_blocks(stop)


def checksum(episode: Episode) -> str:
    """SHA-256 over all arrays and ends of an episode: `sha256:` and 64 hex digits."""
    digest = hashlib.sha256()
    digest.update(repr((episode.frames.shape, bool(episode.terminated), bool(episode.truncated))).encode())
    for array in (episode.frames, episode.actions, episode.rewards):
        digest.update(np.ascontiguousarray(array).data)
    for key in sorted(episode.info):
        values = np.ascontiguousarray(episode.info[key])
        digest.update(f"{key}:{values.dtype.str}".encode())
        digest.update(values.data)
    return f"sha256:{digest.hexdigest()}"


def describe_episode(episode: Episode, episode_id: str, num_actions: int) -> EpisodeMeta:
    """The facts of an episode that is about to be written under `episode_id`."""
    known = episode.actions[episode.actions != UNKNOWN_ACTION]
    return EpisodeMeta(
        id=episode_id,
        length=len(episode),
        total_reward=float(episode.rewards.sum(dtype=np.float64)),
        shape=tuple(int(size) for size in episode.frames.shape[1:]),
        action_counts=tuple(int(n) for n in np.bincount(known, minlength=num_actions)),
        info_dtypes={key: values.dtype.str for key, values in episode.info.items()},
        checksum=checksum(episode),
        **{**episode.labels, "tags": tuple(episode.tags)},
    )


def encode_tables(episode: Episode) -> Iterator[pa.Table]:
    """The rows of an episode, in tables of at most about 64 MB. Frames are not copied."""
    frame_bytes = int(np.prod(episode.frames.shape[1:]))
    blocks_per_table = max(1, _TABLE_BYTES // (frame_bytes * BLOCK_FRAMES))
    blocks = num_blocks(len(episode))
    for first in range(0, blocks, blocks_per_table):
        yield _encode_blocks(episode, first, min(first + blocks_per_table, blocks))


def decode_frames(column: pa.ChunkedArray, shape: Sequence[int]) -> list[np.ndarray]:
    """Each row of a `frames` column as uint8 (n, H, W, 3); views of the column's memory, read-only."""
    out = []
    for chunk in column.chunks:
        _, offsets_buffer, data = chunk.buffers()
        offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        values = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
        out += [values[lo:hi].reshape(-1, *shape) for lo, hi in pairwise(offsets)]
    return out


def decode_list(column: pa.ChunkedArray, dtype: type) -> np.ndarray:
    """All rows of a list column, one after the other, as a flat array of `dtype`."""
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


def decode_info(column: pa.ChunkedArray, meta: EpisodeMeta) -> dict[str, np.ndarray]:
    """All rows of the `info` column of one episode: name -> (length,), in the dtype it was written in."""
    info: dict[str, list[Any]] = {key: [] for key in meta.info_dtypes}
    for text in column.to_pylist() if info else []:
        for key, values in json.loads(text).items():
            info[key] += values
    return {key: np.array(values, dtype=meta.info_dtypes[key]) for key, values in info.items()}


def decode_episode(table: pa.Table, meta: EpisodeMeta) -> Episode:
    """The inverse of `encode_tables`: all rows of one episode, in order."""
    return Episode(
        frames=np.concatenate(decode_frames(table["frames"], meta.shape)),
        actions=decode_list(table["actions"], np.int64),
        rewards=decode_list(table["rewards"], np.float32),
        info=decode_info(table["info"], meta),
        id=meta.id,
        **{name: getattr(meta, name) for name in LABELS},
    )


class BlockFile:
    """Writes episodes, one after the other, into an empty binary file, which stays open. A context manager; the
    metadata goes in at its end.
    """

    def __init__(self, file: BinaryIO | pa.NativeFile) -> None:
        self._metas: list[EpisodeMeta] = []
        self._footer: list[pq.FileMetaData] = []
        self._writer = pq.ParquetWriter(
            file,
            ROW_SCHEMA,
            compression=_COMPRESSION,
            compression_level={"frames": 3, "info": 3},
            use_dictionary=False,
            write_statistics=False,
            store_schema=False,
            write_page_checksum=True,
            metadata_collector=self._footer,
        )

    def add(self, tables: Iterator[pa.Table], meta: EpisodeMeta) -> None:
        """Appends one episode's rows."""
        for table in tables:
            self._writer.write_table(table, row_group_size=1)
        self._metas.append(meta)

    def __enter__(self) -> "BlockFile":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._writer.add_key_value_metadata({META_KEY: metas_to_json(self._metas)})
            self._writer.close()
        except (OSError, RuntimeError, pa.ArrowException):
            if kind is None:
                raise  # else the caller throws the file away, and is told of the first error
        finally:
            self._writer.is_open = False  # else pyarrow closes it again when it is collected, and prints a traceback

    @property
    def sizes(self) -> list[int]:
        """Compressed bytes of each episode, once the file is closed."""
        return episode_sizes(self._footer[0], self._metas)


def check_columns(footer: pq.FileMetaData) -> None:
    """Raises ValueError that names the column where a file has others than an episode's, or of another type."""
    there = footer.schema.to_arrow_schema()
    for field in ROW_SCHEMA:
        index = there.get_field_index(field.name)
        if index < 0:
            raise ValueError(f"the column {field.name} is missing")
        if not there.field(index).equals(field):
            raise ValueError(f"a column is «{there.field(index)}», it must be «{field}»")


def episode_sizes(footer: pq.FileMetaData, metas: Sequence[EpisodeMeta]) -> list[int]:
    """Compressed bytes of each episode of a file, footers apart. Raises ValueError where rows and episodes do
    not fit each other.
    """
    if sum(meta.rows for meta in metas) != footer.num_row_groups:
        raise ValueError(f"{footer.num_row_groups} blocks do not fit {len(metas)} episodes")
    sizes, first = [], 0
    for meta in metas:
        sizes.append(sum(_group_bytes(footer, group) for group in range(first, first + meta.rows)))
        first += meta.rows
    return sizes


def metas_to_json(metas: Sequence[EpisodeMeta]) -> bytes:
    """The value of a file's `genieredux` metadata: its episodes in the order of their rows."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "episodes": [asdict(meta) for meta in metas]}).encode()


def metas_from_json(text: bytes) -> tuple[int, list[EpisodeMeta]]:
    """The schema version and the episodes of a file. Raises ValueError, KeyError, TypeError or RecursionError where it
    is something else.
    """
    values = json.loads(text)
    version = int(values["schema_version"])
    if version != SCHEMA_VERSION:
        return version, []
    return version, [meta_from_plain(entry) for entry in values["episodes"]]


def meta_from_plain(values: Mapping[str, Any]) -> EpisodeMeta:
    """Facts that a file states, checked: every use of an id or a split as a name relies on it.

    Raises ValueError that names the field, TypeError where fields lack or are too many.
    """
    facts: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    meta = EpisodeMeta(**facts)
    for name, (holds, allowed) in _META_RULES.items():
        if not holds(getattr(meta, name)):
            raise ValueError(f"{name} is {getattr(meta, name)!r:.80}, it must be {allowed}")
    return meta


def _is_count(value: object, most: int = 2**31 - 1) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_seed(value: object) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_shape(value: Any) -> bool:
    return len(value) == 3 and value[2] == 3 and all(_is_count(n, MOST_SIDE) and n > 0 for n in value)


_TEXT, _FLAG, _SEED = (_is_text, "a text"), (lambda v: type(v) is bool, "true or false"), (_is_seed, "a whole number")
_META_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "id": (is_episode_id, "1-180 letters, digits and ._=+-"),
    "game": _TEXT,
    "console": _TEXT,
    "tags": (lambda v: isinstance(v, tuple) and all(map(_is_text, v)), "a list of texts"),
    "length": (lambda v: _is_count(v) and v > 0, "a number of frames from 1 to 2147483647"),
    "total_reward": (lambda v: type(v) in (int, float), "a number"),
    "terminated": _FLAG,
    "truncated": _FLAG,
    "policy": _TEXT,
    "seed": _SEED,
    "instance": _SEED,
    "split": (is_inside, "a plain name"),
    "shape": (lambda v: isinstance(v, tuple) and _is_shape(v), f"(H, W, 3) of at most {MOST_SIDE}"),
    "action_counts": (
        lambda v: isinstance(v, tuple) and len(v) <= MOST_ACTIONS and all(_is_count(n, 2**63 - 1) for n in v),
        "counts of 0 or more",
    ),
    "info_dtypes": (
        lambda v: (
            isinstance(v, dict) and all(_is_text(k) and _is_text(d) and _DTYPE.fullmatch(d) for k, d in v.items())
        ),
        "numpy types of numbers by name",
    ),
    "checksum": _TEXT,
}
"""What each field of `EpisodeMeta` may be."""


def damaged_file(path: str, error: Exception) -> UserError:
    """The error of an episode file that cannot be read."""
    return UserError(f"{path}: truncated or damaged ({reason(error)}); delete it, rebuild the index and collect again")


def _group_bytes(footer: pq.FileMetaData, group: int) -> int:
    columns = footer.row_group(group)
    return sum(columns.column(i).total_compressed_size for i in range(columns.num_columns))


def _encode_blocks(episode: Episode, first: int, last: int) -> pa.Table:
    lo, hi = first * BLOCK_FRAMES, min(last * BLOCK_FRAMES, len(episode))
    starts = np.arange(lo, hi, BLOCK_FRAMES)
    stops = np.minimum(starts + BLOCK_FRAMES, hi)
    frames = np.ascontiguousarray(episode.frames[lo:hi])
    frame_bytes = int(np.prod(frames.shape[1:]))
    frame_ends = (np.append(starts, hi) - lo) * frame_bytes
    # the frames of a block that have an action: all but the last of the episode
    action_ends = np.minimum(np.append(starts, hi), len(episode.actions))
    return pa.table(
        [
            pa.array(starts, pa.int32()),
            pa.array(stops - starts, pa.int16()),
            _binary_array(frame_ends, frames),
            _list_array(action_ends, episode.actions, np.int16, pa.int16()),
            _list_array(action_ends, episode.rewards, np.float32, pa.float32()),
            pa.array((stops == len(episode)) & bool(episode.terminated)),
            pa.array([_info_text(episode.info, a, b) for a, b in zip(starts, stops, strict=True)], pa.string()),
        ],
        schema=ROW_SCHEMA,
    )


def _binary_array(ends: np.ndarray, values: np.ndarray) -> pa.Array:
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(values)]
    return pa.Array.from_buffers(pa.binary(), len(ends) - 1, buffers)


def _list_array(ends: np.ndarray, values: np.ndarray, dtype: type, element: pa.DataType) -> pa.Array:
    part: np.ndarray = np.ascontiguousarray(values[ends[0] : ends[-1]].astype(dtype))
    offsets = pa.array((ends - ends[0]).astype(np.int32))
    kind = pa.list_(pa.field("element", element, nullable=False))
    return pa.ListArray.from_arrays(offsets, pa.array(part, element), type=kind)


def _info_text(info: Mapping[str, np.ndarray], start: int, stop: int) -> str:
    return json.dumps({key: values[start:stop].tolist() for key, values in info.items()}, separators=(",", ":"))
