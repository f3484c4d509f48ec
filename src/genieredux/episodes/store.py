"""The open files of a data set: bytes of blocks by a single read each, whole episodes through Arrow, errors
with the name of the file.

Safe from many threads; what stays open is bounded, what is remembered of a file is some numbers per block.
Sent to another process, it opens its files again there.
"""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from genieredux.episodes.block_file import (
    META_KEY,
    check_columns,
    damaged_file,
    decode_frames,
    decode_list,
    episode_sizes,
    metas_from_json,
)
from genieredux.episodes.index import IndexRow
from genieredux.episodes.pages import PageMap, decode_actions_page, decode_frames_page, page_map
from genieredux.episodes.schema import BLOCK_FRAMES
from genieredux.errors import UserError
from genieredux.runs.places import user_path

V = TypeVar("V")

MAX_OPEN = 256
MAX_MAPS = 65_536


class EpisodeFiles:
    """Reads from the files of the data set at a local path or URL. Raises UserError for a URL nothing can
    open.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            if "://" in url:
                self.fs, root = fsspec.core.url_to_fs(url)
            else:  # a path as it is, whatever signs are in it
                self.fs, root = LocalFileSystem(), os.fspath(user_path(url))
        except (ValueError, ImportError) as error:
            raise UserError(f"{url}: cannot be opened ({error}); give a folder or an address fsspec knows") from error
        self.root = root.rstrip("/")
        self.is_local = isinstance(self.fs, LocalFileSystem)
        self._descriptors: Recent[_Descriptor] = Recent(MAX_OPEN)
        self._contents: Recent[_Contents] = Recent(MAX_MAPS)

    def __getstate__(self) -> Mapping[str, Any]:
        return {"url": self.url}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["url"])  # type: ignore[misc]

    def blocks(self, row: IndexRow, first: int, last: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Frames of the episode's blocks first..last-1, uint8 (n, H, W, 3) each and read-only, and their
        actions, int64.

        Raises UserError naming the file where it is missing or damaged.
        """
        with self.naming(row):
            pages = self._checked(row).pages
            if pages is None:
                table = self._read_groups(row, first, last, ["frames", "actions"])
                whole = decode_frames(table["frames"], row.meta.shape)
                everything = decode_list(table["actions"], np.int64)
                _check_counts(row, first, last, sum(map(len, whole)), len(everything))
                return whole, everything
            start, stop = pages.span(row.row + first, row.row + last)
            data = memoryview(self._read_bytes(row.file, start, stop))
            frames, actions = [], []
            for block in range(first, last):
                i, begin = row.row + block, block * BLOCK_FRAMES
                seen = min(BLOCK_FRAMES, row.meta.length - begin)
                taken = min(BLOCK_FRAMES, row.meta.length - 1 - begin)
                at, acted = int(pages.frames_at[i]) - start, int(pages.actions_at[i]) - start
                page = data[at : at + int(pages.frames_bytes[i])]
                frames.append(decode_frames_page(page, row.meta.shape, seen))
                page = data[acted : acted + int(pages.actions_bytes[i])]
                actions.append(decode_actions_page(page, taken))
            return frames, np.concatenate(actions).astype(np.int64)

    def table(self, row: IndexRow, columns: list[str] | None = None) -> pa.Table:
        """All rows of an episode. Raises UserError naming the file where it is missing or damaged."""
        with self.naming(row):
            self._checked(row)
            return self._read_groups(row, 0, row.meta.rows, columns)

    @contextlib.contextmanager
    def naming(self, row: IndexRow) -> Iterator[None]:
        """Turns what a damaged file raises into UserError with its name."""
        path = f"{self.root}/{row.file}"
        try:
            yield
        except FileNotFoundError as error:
            raise UserError(
                f"{path}: missing, but in the index; restore it, or rebuild the index with `genieredux data index`"
            ) from error
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise damaged_file(path, error) from error

    def _read_groups(self, row: IndexRow, first: int, last: int, columns: list[str] | None) -> pa.Table:
        groups = range(row.row + first, row.row + last)
        with self._open(row.file) as file:
            return file.read_row_groups(groups, columns=columns, use_threads=False)

    def _open(self, name: str) -> pq.ParquetFile:
        path = f"{self.root}/{name}"
        if self.is_local:
            return pq.ParquetFile(pa.memory_map(path), page_checksum_verification=True)
        return pq.ParquetFile(self.fs.open(path, "rb"), pre_buffer=True, page_checksum_verification=True)

    def _checked(self, row: IndexRow) -> "_Contents":
        """What is known of the episode's file. Raises UserError where it holds something else than the index says."""

        def read() -> _Contents:
            with self._open(row.file) as file:
                return _Contents.of(file.metadata)

        contents = self._contents.get(row.file, read)
        there = contents.episodes.get(row.meta.id)
        if there != (row.row, row.meta.length, row.meta.checksum):
            held = ", ".join(list(contents.episodes)[:3]) or "nothing"
            what = f"it holds {held}, not the episode {row.meta.id} that the index says is there"
            if there is not None:
                what = f"its episode {row.meta.id} is not the one that the index means (another length or checksum)"
            raise UserError(
                f"{self.root}/{row.file}: {what}; put the file back, or the index that was made of it, or go by the "
                f"files alone with `genieredux data index {self.root}`"
            )
        return contents

    def _read_bytes(self, name: str, start: int, stop: int) -> bytes:
        path = f"{self.root}/{name}"
        if not self.is_local:
            return self.fs.cat_file(path, start, stop)
        descriptor = self._descriptors.get(name, lambda: _Descriptor(path))
        data = os.pread(descriptor.number, stop - start, start)
        if len(data) < stop - start:
            raise ValueError("the file ends too early")
        return data


def _check_counts(row: IndexRow, first: int, last: int, frames: int, actions: int) -> None:
    """Raises ValueError unless blocks first..last-1 of an episode hold the frames and actions of its length."""
    stop, begin = min(last * BLOCK_FRAMES, row.meta.length), first * BLOCK_FRAMES
    needed = stop - begin, min(stop, row.meta.length - 1) - begin
    if (frames, actions) != needed:
        raise ValueError(f"{frames} frames and {actions} actions where {needed[0]} and {needed[1]} must be")


@dataclass(frozen=True)
class _Contents:
    """What an episode file holds. pages: None where it is read through Arrow. episodes: id -> (first row, length,
    checksum).
    """

    pages: PageMap | None
    episodes: Mapping[str, tuple[int, int, str]]

    @classmethod
    def of(cls, footer: pq.FileMetaData) -> "_Contents":
        check_columns(footer)
        _, metas = metas_from_json(footer.metadata[META_KEY])
        episode_sizes(footer, metas)  # raises where rows and episodes do not fit
        firsts = accumulate((meta.rows for meta in metas), initial=0)
        episodes = {meta.id: (first, meta.length, meta.checksum) for meta, first in zip(metas, firsts, strict=False)}
        return cls(page_map(footer), episodes)


class Recent(Generic[V]):
    """The values made last, by name; older ones are forgotten. Two threads may make the same value: one is
    kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: OrderedDict[str, V] = OrderedDict()
        self._mutex = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str, make: Any) -> V:
        """The value of `name`, made by `make()` where it is not here."""
        with self._mutex:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name]
        value: V = make()
        with self._mutex:
            value = self._values.setdefault(name, value)
            while len(self._values) > self.size:
                self._values.popitem(last=False)
        return value


class _Descriptor:
    """An open local file. Closed when the last one that uses it lets go, so no thread reads from a number
    that is used anew.
    """

    def __init__(self, path: str) -> None:
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)
