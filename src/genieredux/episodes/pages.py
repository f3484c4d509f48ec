"""Random access to the blocks of an episode file without Arrow's reader: one read of a few kilobytes, then
zstd.

What is read is ordinary Parquet, written by block_file.py: a column chunk is one data page, the frames' page is
one value (a 4-byte length and the bytes), the actions' page ends in plain 32-bit integers. The footer says
where the chunks are; it is parsed once per file and kept as a few numbers per block. A file that another
program has rewritten differently gets no `PageMap`, and is read through Arrow instead. (Parquet format
specification: "Data Pages"; the page header is Thrift's compact protocol.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_FRAMES, _ACTIONS = "frames", "actions.list.element"
_INT32_FIELD = 0x15  # Thrift compact: next field, of type i32
_DATA_PAGE = 0
_STRUCT_FIELDS = (0x1C, 0x2C)  # what follows the sizes: the data page header, with or without a CRC before it


@dataclass(frozen=True, eq=False)
class PageMap:
    """Where the frames and actions of each block of a file lie: int64 (blocks,) each, bytes from the file's
    beginning.
    """

    frames_at: np.ndarray
    frames_bytes: np.ndarray
    actions_at: np.ndarray
    actions_bytes: np.ndarray

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The part of the file, from and up to, that holds frames and actions of blocks first..last-1."""
        end = self.actions_at[last - 1] + self.actions_bytes[last - 1]
        return int(self.frames_at[first]), int(end)


class _Page(NamedTuple):
    """A data page's header. length: bytes of the header itself. crc: of the compressed data, None where not
    stored.
    """

    length: int
    raw_bytes: int
    stored_bytes: int
    crc: int | None


def page_map(footer: pq.FileMetaData) -> PageMap | None:
    """The map of a file, None where it is not laid out as block_file.py does it."""
    if footer.num_row_groups == 0:
        return None
    group = footer.row_group(0)
    names = [group.column(i).path_in_schema for i in range(group.num_columns)]
    if _FRAMES not in names or _ACTIONS not in names:
        return None
    frames, actions = names.index(_FRAMES), names.index(_ACTIONS)
    places = []
    for i in range(footer.num_row_groups):
        group = footer.row_group(i)
        f, a = group.column(frames), group.column(actions)
        if group.num_rows != 1 or not (_as_written(f, "ZSTD") and _as_written(a, "UNCOMPRESSED")):
            return None
        places.append((f.data_page_offset, f.total_compressed_size, a.data_page_offset, a.total_compressed_size))
    columns = np.array(places, dtype=np.int64).T
    return PageMap(*np.ascontiguousarray(columns)) if np.all(columns[0] < columns[2]) else None


def decode_frames_page(chunk: memoryview, shape: Sequence[int], count: int) -> np.ndarray:
    """The frames of a block, uint8 (count, H, W, 3), read-only. Raises ValueError or OSError where the page
    is damaged.
    """
    size = count * math.prod(shape)
    page = _page_header(chunk)
    data = _page_data(chunk, page)
    if page.raw_bytes != size + 4:
        raise ValueError(f"a page of {page.raw_bytes} bytes where {size + 4} are due")
    raw = np.frombuffer(pa.decompress(pa.py_buffer(data), page.raw_bytes, "zstd"), np.uint8)
    return raw[4:].reshape(count, *shape)


def decode_actions_page(chunk: memoryview, count: int) -> np.ndarray:
    """The last `count` values of an actions page, int32 (count,). Raises ValueError where the page is
    damaged.
    """
    data = _page_data(chunk, _page_header(chunk))
    if len(data) < 4 * count:
        raise ValueError(f"an actions page of {len(data)} bytes for {count} actions")
    return np.frombuffer(data[len(data) - 4 * count :], np.dtype("<i4")) if count else np.zeros(0, np.int32)


def _as_written(column: pq.ColumnChunkMetaData, codec: str) -> bool:
    return column.compression == codec and not column.has_dictionary_page and set(column.encodings) <= {"PLAIN", "RLE"}


def _page_data(chunk: memoryview, page: _Page) -> memoryview:
    data = chunk[len(chunk) - page.stored_bytes :]
    if page.length + page.stored_bytes > len(chunk):
        raise ValueError("a page is cut off")
    if page.crc is not None and crc32(data) != page.crc:
        raise ValueError("a page does not have its checksum")
    return data


def _page_header(chunk: memoryview) -> _Page:
    """Reads type, both sizes and the CRC off a page's header. Raises ValueError where it is another."""
    at = 0
    values: list[int] = []
    while len(values) < 4 and at < len(chunk) and chunk[at] == _INT32_FIELD:
        value, at = _zigzag(chunk, at + 1)
        values.append(value)
    if len(values) < 3 or values[0] != _DATA_PAGE or at >= len(chunk) or chunk[at] not in _STRUCT_FIELDS:
        raise ValueError("a page header is damaged")
    crc = values[3] & 0xFFFFFFFF if len(values) == 4 else None
    if values[1] < 0 or values[2] < 0:
        raise ValueError("a page header is damaged")
    return _Page(at, values[1], values[2], crc)


def _zigzag(chunk: memoryview, at: int) -> tuple[int, int]:
    """A variable-length signed integer, and where the next byte is."""
    value = shift = 0
    while at < len(chunk) and shift < 35:
        byte = chunk[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    raise ValueError("a page header is damaged")
