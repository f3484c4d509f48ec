"""Compaction changes how the files lie and nothing else, and may be killed at any step."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genieredux
from genieredux.episodes import Dataset, DatasetWriter, rebuild_index
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_dataset, fake_episode, fake_spec
from genieredux.errors import UserError

PLACE = {"file", "row", "bytes"}


def facts(dataset: Dataset) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in PLACE} for row in dataset.index.to_pylist()]


@settings(deadline=None, max_examples=6)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    shard_frames=st.lists(st.integers(1, 200), min_size=1, max_size=2),
)
def test_compaction_keeps_every_byte(tmp_path_factory, lengths: list[int], shard_frames: list[int]) -> None:
    path = tmp_path_factory.mktemp("compact")
    before = fake_dataset(path, lengths=tuple(lengths))
    expected = [before.episode(i) for i in range(len(before))]
    for frames in shard_frames:
        done = compact(path, frames)
        after = Dataset.open(path, verify=True)
        assert done.files_after == len(list((path / "episodes").iterdir())) == len(set(after.index["file"].to_pylist()))
        assert facts(after) == facts(before)
        assert all(after.episode(i).same_as(episode) for i, episode in enumerate(expected))
        assert rebuild_index(path).equals(after.index)
    compact(path, 10**6)
    assert len(list((path / "episodes").iterdir())) == 1
    assert compact(path, 10**6).shards_written == 0


def test_windows_inside_a_shard_are_found(tmp_path) -> None:
    fake_dataset(tmp_path, lengths=(40, 3, 17, 64, 16))
    compact(tmp_path, 1000)
    dataset = Dataset.open(tmp_path)
    for i, length in enumerate(dataset.lengths.tolist()):
        played = fake_episode(length, seed=int(dataset.index["seed"][i].as_py()))
        for start in range(0, length - 1, 5):
            assert (dataset.clip(i, start, length).frames == played.frames[start:]).all()


def test_a_writer_goes_on_after_a_compaction(tmp_path) -> None:
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        first = {writer.append(fake_episode(20)), writer.append(fake_episode(20))}
        writer.finish()
        compact(tmp_path)
        third = writer.append(fake_episode(20))
        assert third not in first
        with pytest.raises(UserError, match="exists already"):
            writer.append(replace(fake_episode(20), id=min(first)))
    assert set(Dataset.open(tmp_path, verify=True).ids) == first | {third}
    compact(tmp_path)
    assert set(Dataset.open(tmp_path, verify=True).ids) == first | {third}


def test_nothing_is_compacted_under_a_writer(tmp_path) -> None:
    writer = DatasetWriter(tmp_path, fake_spec())
    writer.append(fake_episode(20))
    with pytest.raises(UserError, match="being written"):
        compact(tmp_path)
    writer.finish()
    compact(tmp_path)


def test_a_damaged_file_stops_compaction_before_anything_is_removed(tmp_path) -> None:
    fake_dataset(tmp_path)
    names = sorted(p.name for p in (tmp_path / "episodes").iterdir())
    one = tmp_path / "episodes" / names[2]
    content = bytearray(one.read_bytes())
    page = pq.read_metadata(one).row_group(0).column(2)
    content[page.data_page_offset + page.total_compressed_size // 2] ^= 0xFF
    one.write_bytes(content)
    with pytest.raises(UserError, match=one.name):
        compact(tmp_path)
    assert sorted(p.name for p in (tmp_path / "episodes").iterdir()) == names


DIE = """
import os, signal, sys
from pathlib import Path
import genieredux.episodes.compact as room

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

moment = sys.argv[2]
if moment == "write_index":
    room.write_index = die
elif moment == "second shard":
    real, calls = room._write_shard, []
    def second(*words):
        if calls:
            die()
        calls.append(1)
        return real(*words)
    room._write_shard = second
elif moment == "unlink":
    real, calls = Path.unlink, []
    def third(self, missing_ok=False):
        if self.suffix == ".parquet":
            calls.append(1)
            if len(calls) == 3:
                die()
        return real(self, missing_ok=missing_ok)
    Path.unlink = third
room.compact(sys.argv[1], 60)
"""


@pytest.mark.parametrize("moment", ["second shard", "write_index", "unlink"])
def test_kill_9_during_a_compaction_loses_nothing(tmp_path, moment: str) -> None:
    before = fake_dataset(tmp_path, lengths=(20,) * 8)
    env = {**os.environ, "PYTHONPATH": str(Path(genieredux.__file__).parents[1])}
    died = subprocess.run([sys.executable, "-c", DIE, str(tmp_path), moment], env=env, check=False)
    assert died.returncode == -signal.SIGKILL
    for _ in range(2):
        after = Dataset.open(tmp_path, verify=True)
        assert facts(after) == facts(before)
        compact(tmp_path, 60)
    assert facts(Dataset.open(tmp_path, verify=True)) == facts(before)
    assert len(list((tmp_path / "episodes").iterdir())) == 3
    assert rebuild_index(tmp_path).equals(Dataset.open(tmp_path).index)
