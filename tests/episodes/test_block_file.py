"""A file of episodes on a disk that is full."""

import errno
import gc
import io
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genieredux.episodes import Dataset
from genieredux.episodes.block_file import META_KEY, ROW_SCHEMA, BlockFile
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_dataset
from genieredux.errors import UserError


class Disk(io.BytesIO):
    """Is full from some moment on."""

    full = False

    def write(self, content: Any) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(content)


def broken_off(disk: Disk, early: bool) -> None:
    """A file whose disk is full before its end, or at its end."""
    with BlockFile(disk):
        disk.full = True
        if early:
            disk.write(b"a row")


@pytest.mark.parametrize("early", [True, False])
def test_a_full_disk_is_told_once(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    with pytest.raises(OSError, match="No space left"):
        broken_off(Disk(), early)
    gc.collect()
    assert not printed, "the writer was closed a second time when it was collected"


@pytest.mark.parametrize("column", ROW_SCHEMA.names)
def test_a_column_of_another_type_or_gone_is_one_line_that_names_it(column: str, tmp_path: Path) -> None:
    root = tmp_path
    fake_dataset(root, lengths=(20, 5))
    file = sorted((root / "episodes").glob("*.parquet"))[0]
    table, meta = pq.read_table(file), pq.read_metadata(file).metadata[META_KEY]
    for other in (table.drop_columns([column]), _with(table, column, pa.array([None] * len(table), pa.null()))):
        with pq.ParquetWriter(file, other.schema) as writer:
            writer.write_table(other, row_group_size=1)
            writer.add_key_value_metadata({META_KEY: meta})
        for use in (lambda: Dataset.open(str(root)).clip(0, 0, 2), lambda: compact(str(root))):
            with pytest.raises(UserError, match=rf"{file.name}.*{column}"):
                use()


def test_fewer_actions_than_the_length_says_are_named(tmp_path: Path) -> None:
    root = tmp_path
    fake_dataset(root, lengths=(20, 5))
    file = sorted((root / "episodes").glob("*.parquet"))[0]
    table, meta = pq.read_table(file), pq.read_metadata(file).metadata[META_KEY]
    other = _with(table, "actions", pa.array([[]] * len(table), ROW_SCHEMA.field("actions").type))
    with pq.ParquetWriter(file, ROW_SCHEMA) as writer:
        writer.write_table(other.cast(ROW_SCHEMA), row_group_size=1)
        writer.add_key_value_metadata({META_KEY: meta})
    with pytest.raises(UserError, match=rf"{file.name}"):
        Dataset.open(str(root)).clip(0, 0, 2)


def _with(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(column), column, values)
