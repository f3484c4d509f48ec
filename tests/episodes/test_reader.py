"""Reading from anywhere, by anybody at once, and saying plainly what is wrong with a data set."""

import json
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genieredux.episodes import Dataset, DatasetWriter, rebuild_index
from genieredux.episodes.fake import fake_dataset, fake_episode, fake_spec
from genieredux.errors import UserError


def files(path: Path) -> list[Path]:
    return sorted((path / "episodes").glob("*.parquet"))


def truncate(path: Path, share: float = 0.5) -> None:
    with path.open("r+b") as handle:
        handle.truncate(int(path.stat().st_size * share))


def test_a_missing_data_set_is_named(tmp_path) -> None:
    with pytest.raises(UserError, match=r"nowhere.*dataset\.json"):
        Dataset.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"dataset\.json"):
        Dataset.open(tmp_path / "file")
    with pytest.raises(UserError, match="nosuch"):
        Dataset.open("nosuch://bucket/data")


def test_a_data_set_without_episodes_is_refused(tmp_path) -> None:
    DatasetWriter(tmp_path, fake_spec()).finish()
    with pytest.raises(UserError, match="without episodes"):
        Dataset.open(tmp_path)
    (tmp_path / "index.parquet").unlink()
    with pytest.raises(UserError, match="without episodes"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "other"}'])
def test_a_damaged_description_is_named(tmp_path, text: str) -> None:
    fake_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=r"dataset\.json"):
        Dataset.open(tmp_path)


def test_another_schema_version_is_said(tmp_path) -> None:
    fake_dataset(tmp_path)
    values = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(values | {"schema_version": 99}))
    with pytest.raises(UserError, match="schema version 99, this program reads 1"):
        Dataset.open(tmp_path)


def test_an_episode_file_of_another_version_is_said(tmp_path) -> None:
    fake_dataset(tmp_path)
    one = files(tmp_path)[0]
    table = pq.read_table(one)
    pq.write_table(table.replace_schema_metadata({"genieredux": '{"schema_version": 99}'}), one)
    with pytest.raises(UserError, match=f"{one.name}: schema version 99"):
        rebuild_index(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_named_wherever_it_is_met(tmp_path, share: float) -> None:
    dataset = fake_dataset(tmp_path)
    one = files(tmp_path)[2]
    truncate(one, share)
    i = dataset.ids.index(one.stem)
    for look in (
        lambda: dataset.episode(i),
        lambda: dataset.clip(i, 0, 1),
        lambda: Dataset.open(tmp_path, verify=True),
        lambda: rebuild_index(tmp_path),
    ):
        with pytest.raises(UserError, match=one.name):
            look()
    (tmp_path / "index.parquet").unlink()
    with pytest.raises(UserError, match=one.name):
        Dataset.open(tmp_path)
    with pytest.raises(UserError, match=one.name):
        DatasetWriter(tmp_path, fake_spec())


def test_a_flipped_byte_is_found(tmp_path) -> None:
    """Anywhere in the frames: the page, the decompression or the checksum notices, or it changed nothing."""
    dataset = fake_dataset(tmp_path, lengths=(40,))
    expected, noticed, tried = dataset.episode(0), 0, 0
    one = files(tmp_path)[0]
    whole = one.read_bytes()
    chunk = pq.read_metadata(one).row_group(0).column(2)
    for at in range(chunk.data_page_offset, chunk.data_page_offset + chunk.total_compressed_size, 7):
        one.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        tried += 1
        said = _complaint(tmp_path)
        if said:
            assert one.name in said
            noticed += 1
        else:
            assert Dataset.open(tmp_path).episode(0).same_as(expected)
    assert noticed > 0.8 * tried
    one.write_bytes(whole)
    dataset.verify()


def test_a_file_that_went_away_is_named(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    one = files(tmp_path)[0]
    one.unlink()
    with pytest.raises(UserError, match=f"{one.name}: missing"):
        dataset.episode(dataset.ids.index(one.stem))
    rebuild_index(tmp_path)
    assert len(Dataset.open(tmp_path)) == 4


def test_a_foreign_file_is_named(tmp_path) -> None:
    fake_dataset(tmp_path)
    pq.write_table(pq.read_table(tmp_path / "index.parquet"), tmp_path / "episodes" / "foreign.parquet")
    (tmp_path / "episodes" / "notes.txt").write_text("not an episode, not a trouble")
    with pytest.raises(UserError, match=r"foreign\.parquet"):
        rebuild_index(tmp_path)


def test_rebuilding_the_index_gives_the_same_index(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    before = (tmp_path / "index.parquet").read_bytes()
    (tmp_path / "index.parquet").unlink()
    assert Dataset.open(tmp_path).index.equals(dataset.index)
    assert rebuild_index(tmp_path).equals(dataset.index)
    assert (tmp_path / "index.parquet").read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense PAR1"])
def test_a_damaged_index_is_named_and_mended(tmp_path, damage: bytes) -> None:
    dataset = fake_dataset(tmp_path)
    (tmp_path / "index.parquet").write_bytes(damage)
    with pytest.raises(UserError, match=r"index\.parquet.*data index"):
        Dataset.open(tmp_path)
    DatasetWriter(tmp_path, fake_spec()).finish()
    assert Dataset.open(tmp_path).index.equals(dataset.index)


def test_an_index_of_another_version_is_said(tmp_path) -> None:
    fake_dataset(tmp_path)
    pq.write_table(pq.read_table(tmp_path / "index.parquet").drop_columns(["row"]), tmp_path / "index.parquet")
    with pytest.raises(UserError, match="another version"):
        Dataset.open(tmp_path)


def test_the_index_says_what_was_played(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    for i, row in enumerate(dataset.index.to_pylist()):
        episode = dataset.episode(i)
        assert row["id"] == episode.id
        assert row["length"] == len(episode)
        assert row["return"] == episode.rewards.sum()
        assert row["tags"] == list(episode.tags)
        assert (row["game"], row["console"], row["split"]) == ("fake-game", "Fake", episode.split)
        assert (row["seed"], row["instance"]) == (episode.seed, episode.instance)
        assert row["action_counts"] == np.bincount(episode.actions, minlength=3).tolist()
        assert (tmp_path / row["file"]).stat().st_size > row["bytes"] > 0


def test_select_takes_and_refuses(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(5, 6, 7, 8, 9, 10))
    assert dataset.select(split="test").lengths.tolist() == [9]
    assert sorted(dataset.select(seed=[0, 2, 77]).lengths.tolist()) == [5, 7]
    assert sorted(dataset.select(split="train", terminated=True).lengths.tolist()) == [6, 8, 10]
    part = dataset.select(split="train").select(instance=1)
    assert part.episode(0).seed == 1
    with pytest.raises(UserError, match=r"no episode with.*validation.*test, train"):
        dataset.select(split="validation")
    with pytest.raises(UserError, match="no column 'splt'"):
        dataset.select(splt="train")
    with pytest.raises(UserError, match="seed"):
        dataset.select(seed="many")


def test_any_fsspec_file_system_reads_the_same(tmp_path) -> None:
    local = fake_dataset(tmp_path / "data")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "data"), "/bucket/data", recursive=True)
    try:
        remote = Dataset.open("memory://bucket/data", verify=True)
        assert remote.index.equals(local.index)
        for i in range(len(local)):
            assert remote.episode(i).same_as(local.episode(i))
        memory.rm("/bucket/data/index.parquet")
        assert Dataset.open("memory://bucket/data").index.equals(local.index)
        memory.pipe(f"/bucket/data/{local.index['file'][0].as_py()}", b"PAR1")
        with pytest.raises(UserError, match=local.ids[0]):
            Dataset.open("memory://bucket/data").episode(0)
    finally:
        memory.rm("/bucket", recursive=True)


def test_a_data_set_can_be_moved(tmp_path) -> None:
    dataset = fake_dataset(tmp_path / "a")
    expected = dataset.episode(1)
    shutil.move(tmp_path / "a", tmp_path / "b")
    assert Dataset.open(tmp_path / "b", verify=True).episode(1).same_as(expected)


def test_a_reward_that_was_changed_under_its_checksum_is_found(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(5, 6))
    one = tmp_path / dataset.index["file"][1].as_py()
    table = pq.read_table(one)
    at = table.column_names.index("rewards")
    rewards = [[value + 1 for value in row] for row in table["rewards"].to_pylist()]
    changed = table.set_column(at, table.schema.field(at), pa.array(rewards, table.schema.field(at).type))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), one, row_group_size=1)
    assert f"episode {dataset.ids[1]} is not what was written" in _complaint(tmp_path)


def test_episodes_are_taken_in_the_order_that_is_asked_for(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(5, 6, 7))
    part = dataset.take([2, 0])
    assert part.ids == (dataset.ids[2], dataset.ids[0])
    assert np.array_equal(part.frames(0), dataset.frames(2))
    assert part.lengths.tolist() == dataset.lengths[[2, 0]].tolist()


def test_many_threads_read_at_once(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(60, 61, 62))
    expected = [fake_episode(60 + seed, seed).frames for seed in range(3)]

    def look(k: int) -> bool:
        i, start = k % 3, k % 45
        frames = expected[dataset.episode(i).seed]
        return np.array_equal(dataset.clip(i, start, start + 16).frames, frames[start : start + 16])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(400)))


def test_more_files_than_may_stay_open(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genieredux.episodes.store.MAX_OPEN", 3)
    monkeypatch.setattr("genieredux.episodes.store.MAX_MAPS", 4)
    dataset = fake_dataset(tmp_path, lengths=tuple(range(1, 30)))
    before = len(os.listdir("/proc/self/fd"))
    expected = [dataset.episode(i) for i in range(29)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: dataset.frames(k % 29), range(29 * 10)))
    assert all(np.array_equal(frames, expected[k % 29].frames) for k, frames in enumerate(found))
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_a_data_set_goes_to_another_process(tmp_path) -> None:
    dataset = fake_dataset(tmp_path).select(split="train")
    dataset.clip(0, 0, 1)
    other = pickle.loads(pickle.dumps(dataset))
    assert other.index.equals(dataset.index)
    assert other.episode(0).same_as(dataset.episode(0))


def test_everybody_can_read_the_files_without_this_program(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(40,))
    episode = dataset.episode(0)
    rows = pq.read_table(files(tmp_path)[0]).to_pylist()
    assert [(row["t0"], row["n"]) for row in rows] == [(0, 16), (16, 16), (32, 8)]
    pixels = b"".join(row["frames"] for row in rows)
    assert np.array_equal(np.frombuffer(pixels, np.uint8).reshape(40, 16, 16, 3), episode.frames)
    assert [a for row in rows for a in row["actions"]] == episode.actions.tolist()
    assert [len(row["actions"]) for row in rows] == [16, 16, 7]
    assert [v for row in rows for v in json.loads(row["info"])["place"]] == episode.info["place"].tolist()
    assert [row["terminated"] for row in rows] == [False, False, episode.terminated]


def _complaint(path: Path) -> str:
    try:
        Dataset.open(path, verify=True)
    except UserError as error:
        return str(error)
    return ""


def test_a_file_that_another_program_rewrote_is_still_read(tmp_path) -> None:
    """Other compression, pages and dictionaries: the quick way to the blocks gives up and Arrow reads it."""
    dataset = fake_dataset(tmp_path, lengths=(40,))
    expected = dataset.episode(0)
    one = files(tmp_path)[0]
    pq.write_table(pq.read_table(one), one, row_group_size=1, compression="gzip")
    again = Dataset.open(tmp_path, verify=True)
    assert again.episode(0).same_as(expected)
    clip = again.clip(0, 10, 35)
    assert np.array_equal(clip.frames, expected.frames[10:35])
    assert np.array_equal(clip.actions, expected.actions[10:34])
