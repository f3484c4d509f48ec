"""What was played is what is read, and a writer can be stopped and started at will."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genieredux.episodes import Dataset, DatasetWriter, Episode, rebuild_index
from genieredux.episodes.block_file import checksum
from genieredux.episodes.fake import fake_episode, fake_spec
from genieredux.episodes.schema import UNKNOWN_ACTION
from genieredux.errors import UserError

INFO_DTYPES = ["|b1", "|u1", "<i2", ">i4", "<i8", "<u8", "<f4", "<f8"]


@st.composite
def episodes(draw: st.DrawFn) -> Episode:
    length = draw(st.integers(1, 50))
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=3))
    info = {
        name: draw(hnp.arrays(np.dtype(draw(st.sampled_from(INFO_DTYPES))), length))
        for name in names
        if name.isprintable()
    }
    info = {name: np.nan_to_num(v) if v.dtype.kind == "f" else v for name, v in info.items()}
    seed = draw(st.integers(0, 2**32))
    frames = np.random.default_rng(seed).integers(0, 256, (length, 16, 16, 3), np.uint8)
    return Episode(
        frames=frames,
        actions=draw(hnp.arrays(np.int64, length - 1, elements=st.integers(0, 2))),
        rewards=draw(
            hnp.arrays(np.float32, length - 1, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
        ),
        terminated=draw(st.booleans()),
        truncated=draw(st.booleans()),
        info=info,
        game=draw(st.sampled_from(["CoinRun", "Airstriker-Genesis", "スーパーマリオ"])),
        console="NES",
        tags=tuple(draw(st.lists(st.text(max_size=5), max_size=3))),
        policy=draw(st.sampled_from(["random", "held"])),
        seed=seed,
        instance=draw(st.integers(-(2**62), 2**62)),
        split=draw(st.sampled_from(["train", "test"])),
    )


@settings(deadline=None, max_examples=25)
@given(played=st.lists(episodes(), min_size=1, max_size=3))
def test_what_was_played_is_what_is_read(tmp_path_factory, played: list[Episode]) -> None:
    path = tmp_path_factory.mktemp("data")
    with DatasetWriter(path, fake_spec()) as writer:
        ids = [writer.append(episode) for episode in played]
    dataset = Dataset.open(path, verify=True)
    assert sorted(ids) == list(dataset.ids)
    for name, episode in zip(ids, played, strict=True):
        i = dataset.ids.index(name)
        read = dataset.episode(i)
        assert read.same_as(replace(episode, id=name))
        assert all(array.flags.writeable for array in (read.frames, read.actions, read.rewards))
        assert np.array_equal(dataset.frames(i), episode.frames)
        assert np.array_equal(dataset.actions(i), episode.actions)
    assert rebuild_index(path).equals(dataset.index)


@settings(deadline=None, max_examples=50)
@given(length=st.integers(1, 70), data=st.data())
def test_any_part_of_an_episode_is_that_part(tmp_path_factory, length: int, data: st.DataObject) -> None:
    episode = fake_episode(length, seed=length)
    path = tmp_path_factory.mktemp("part")
    with DatasetWriter(path, fake_spec()) as writer:
        writer.append(episode)
    dataset = Dataset.open(path)
    start = data.draw(st.integers(0, length - 1))
    stop = data.draw(st.integers(start + 1, length))
    clip = dataset.clip(0, start, stop)
    assert np.array_equal(clip.frames, episode.frames[start:stop])
    assert np.array_equal(clip.actions, episode.actions[start : stop - 1])
    assert np.array_equal(dataset.frames(0, start, stop), episode.frames[start:stop])
    with pytest.raises(IndexError):
        dataset.clip(0, start, length + 1)


def test_long_episodes_are_written_in_parts(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genieredux.episodes.block_file._TABLE_BYTES", 3 * 16 * 16 * 16 * 3)
    episode = fake_episode(16 * 10 + 5)
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        name = writer.append(episode)
    assert Dataset.open(tmp_path, verify=True).episode(0).same_as(replace(episode, id=name))


def test_a_reopened_writer_continues(tmp_path) -> None:
    first = DatasetWriter(tmp_path, fake_spec())
    ids = {first.append(fake_episode(20)), first.append(fake_episode(20))}
    assert len(ids) == 2
    second = DatasetWriter(tmp_path, fake_spec())  # no index was written, as after a kill
    assert second.ids == ids
    assert (len(second), second.num_frames) == (2, 40)
    ids.add(second.append(fake_episode(20)))
    second.finish()
    third = DatasetWriter(tmp_path, fake_spec())
    assert third.ids == ids
    assert {meta.id for meta in third.metas} == ids
    assert len(Dataset.open(tmp_path)) == 3


def test_threads_may_share_a_writer(tmp_path) -> None:
    played = [fake_episode(20 + k % 3, seed=k % 3) for k in range(24)]
    with DatasetWriter(tmp_path, fake_spec()) as writer, ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(writer.append, played))
    assert (len(set(ids)), len(writer), writer.num_frames) == (24, 24, sum(map(len, played)))
    dataset = Dataset.open(tmp_path, verify=True)
    for name, episode in zip(ids, played, strict=True):
        assert dataset.episode(dataset.ids.index(name)).same_as(replace(episode, id=name))


def test_an_id_is_used_once(tmp_path) -> None:
    writer = DatasetWriter(tmp_path, fake_spec())
    other = DatasetWriter(tmp_path, fake_spec())
    assert writer.append(fake_episode(5, id="one")) == "one"
    for again in (writer, other, DatasetWriter(tmp_path, fake_spec())):
        with pytest.raises(UserError, match="one exists already"):
            again.append(fake_episode(9, id="one"))
    writer.finish()
    assert Dataset.open(tmp_path).lengths.tolist() == [5]


def test_a_folder_of_another_kind_is_refused(tmp_path) -> None:
    DatasetWriter(tmp_path, fake_spec(16)).append(fake_episode(5))
    with pytest.raises(UserError, match="image_size=16"):
        DatasetWriter(tmp_path, fake_spec(32))
    with pytest.raises(UserError, match="action_names"):
        DatasetWriter(tmp_path, replace(fake_spec(16), action_names=("A",)))


def test_places_that_cannot_be_written_are_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        DatasetWriter(tmp_path / "file" / "data", fake_spec())
    with pytest.raises(UserError, match="local folder"):
        DatasetWriter("memory://bucket/data", fake_spec())
    with pytest.raises(UserError, match="plain values"):
        DatasetWriter(tmp_path / "data", replace(fake_spec(), created_by={"x": object()}))


def test_a_bad_episode_leaves_no_trace(tmp_path) -> None:
    writer = DatasetWriter(tmp_path, fake_spec())
    with pytest.raises(UserError):
        writer.append(fake_episode(5, image_size=32))
    assert list((tmp_path / "episodes").iterdir()) == []


def test_leftovers_of_a_killed_writer_of_any_version_go(tmp_path) -> None:
    DatasetWriter(tmp_path, fake_spec()).append(fake_episode(5))
    host = socket.gethostname().encode().hex()[:32]
    names = (f"a.parquet.{host}-999999999-00ff.tmp", ".b.parquet.unfinished-999999999")
    for name in names:
        (tmp_path / "episodes" / name).write_bytes(b"half")
    assert len(Dataset.open(tmp_path)) == 1
    DatasetWriter(tmp_path, fake_spec()).finish()
    assert len(list((tmp_path / "episodes").iterdir())) == 1


def test_the_checksum_is_of_everything_that_an_episode_holds() -> None:
    episode = replace(fake_episode(9), info={"x": np.arange(9.0)})

    def other(array: np.ndarray) -> np.ndarray:
        changed = array.copy()
        changed.reshape(-1)[-1] += 1
        return changed

    changes: list[dict[str, object]] = [
        *({name: other(getattr(episode, name))} for name in ("frames", "actions", "rewards")),
        *({name: not getattr(episode, name)} for name in ("terminated", "truncated")),
        {"info": {"x": other(episode.info["x"])}},
        {"info": {"y": episode.info["x"]}},
        {"info": {"x": episode.info["x"].astype(np.float32)}},
    ]
    sums = [checksum(episode), *(checksum(replace(episode, **change)) for change in changes)]  # type: ignore[arg-type]
    assert len(set(sums)) == len(sums)
    assert checksum(fake_episode(9)) == checksum(replace(fake_episode(9)))


def test_actions_that_nobody_knows_are_counted_as_none(tmp_path) -> None:
    with DatasetWriter(tmp_path, replace(fake_spec(), action_names=())) as writer:
        writer.append(replace(fake_episode(5), actions=np.full(4, UNKNOWN_ACTION)))
    assert Dataset.open(tmp_path).index["action_counts"].to_pylist() == [[]]


def test_an_interrupted_collection_still_gets_its_index(tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt), DatasetWriter(tmp_path, fake_spec()) as writer:  # noqa: PT012
        writer.append(fake_episode(5))
        raise KeyboardInterrupt
    assert (tmp_path / "index.parquet").exists()
    assert len(Dataset.open(tmp_path)) == 1


def test_a_writer_that_failed_before_its_first_episode_leaves_no_folder(tmp_path) -> None:
    def fail(path: Path) -> None:
        with pytest.raises(UserError, match="no luck"), DatasetWriter(path, fake_spec()):
            raise UserError("no luck")

    fail(tmp_path / "root" / "data")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "root").mkdir()
    fail(tmp_path / "root" / "data")
    assert list((tmp_path / "root").iterdir()) == []
    DatasetWriter(tmp_path / "root" / "data", fake_spec()).append(fake_episode(5))
    fail(tmp_path / "root" / "data")
    assert len(Dataset.open(tmp_path / "root" / "data")) == 1


DISK_FULL = """
import resource, sys
from genieredux.episodes import DatasetWriter
from genieredux.episodes.fake import fake_episode, fake_spec
from genieredux.errors import UserError
writer = DatasetWriter(sys.argv[1], fake_spec())
writer.append(fake_episode(20, seed=1))
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    writer.append(fake_episode(2000, seed=2))
except UserError as error:
    sys.exit(7 if "disk is full" in str(error) else str(error))
"""


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_half_written(tmp_path) -> None:
    done = subprocess.run([sys.executable, "-c", DISK_FULL, str(tmp_path)], env=source_path(), check=False)
    assert done.returncode == 7
    assert len(list((tmp_path / "episodes").iterdir())) == 1
    assert Dataset.open(tmp_path, verify=True).lengths.tolist() == [20]
    with DatasetWriter(tmp_path, fake_spec()) as writer:  # some space was freed
        writer.append(fake_episode(2000, seed=2))
    assert sorted(Dataset.open(tmp_path, verify=True).lengths.tolist()) == [20, 2000]


@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk_at_the_flush_is_noticed(tmp_path, monkeypatch, number: int) -> None:
    writer = DatasetWriter(tmp_path, fake_spec())

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        writer.append(fake_episode(5))
    assert list((tmp_path / "episodes").iterdir()) == []


def test_a_file_system_without_hard_links_works_too(tmp_path, monkeypatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("os.link", no_links)
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        writer.append(fake_episode(5, id="one"))
        assert DatasetWriter(tmp_path, fake_spec()).ids == {"one"}
    with pytest.raises(UserError, match="exists already"):
        writer.append(fake_episode(5, id="one"))
    assert len(Dataset.open(tmp_path, verify=True)) == 1


def source_path() -> dict[str, str]:
    """The environment of a child process that imports this checkout."""
    import genieredux

    source = str(Path(genieredux.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
