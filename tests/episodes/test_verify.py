"""What is wrong in a data set is named, whatever it is; nothing that a file says leads out of its folder."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genieredux.cli.data import data
from genieredux.episodes import Dataset, DatasetWriter, TokenCache, rebuild_index
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_dataset, fake_episode, fake_spec
from genieredux.episodes.verify import verify
from genieredux.errors import UserError


def files(path: Path) -> list[Path]:
    return sorted((path / "episodes").glob("*.parquet"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    dataset = fake_dataset(tmp_path / "set")
    TokenCache.build(dataset, lambda clips: clips[..., ::8, ::8, 0].astype(np.int64), "tiny", clip_frames=4)
    return tmp_path / "set"


def test_a_whole_data_set_has_no_fault(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = verify(path)
    assert (found.episodes, found.files, found.token_shards, found.faults) == (5, 5, 1, ())
    data(["verify", str(path)])
    assert "read 5 episodes in 5 files and 1 shards of tokens: all as they were written" in capsys.readouterr().out
    compact(path)
    assert (verify(path).files, verify(path).faults) == (1, ())
    (path / "index.parquet").unlink()
    assert verify(path).faults == ()


def test_every_damaged_file_is_named_and_it_is_an_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = files(path)[:3]
    first.write_bytes(first.read_bytes()[:-100])
    content = bytearray(second.read_bytes())
    content[200] ^= 1
    second.write_bytes(content)
    third.unlink()
    shard = path / "tokens/tiny/shard-00000.parquet"
    shard.write_bytes(b"half")
    assert {fault.file for fault in verify(path).faults} == {
        *(f"episodes/{file.name}" for file in (first, second, third)),
        "tokens/tiny/shard-00000.parquet",
    }
    with pytest.raises(UserError, match="4 files are damaged"):
        data(["verify", str(path)])
    assert len(capsys.readouterr().out.splitlines()) == 5


@pytest.mark.parametrize("indexed", [True, False])
def test_an_episode_swapped_for_another_is_noticed_and_never_dropped(path: Path, indexed: bool) -> None:
    one, other = files(path)[:2]
    kept = one.read_bytes()
    shutil.copyfile(other, one)
    i = Dataset.open(path).ids.index(one.stem)
    for look in (lambda: Dataset.open(path).episode(i), lambda: Dataset.open(path).clip(i, 0, 2)):
        with pytest.raises(UserError, match=rf"{one.name}: it holds {other.stem}, not the episode {one.stem}"):
            look()
    (fault,) = verify(path).faults
    assert fault.file == f"episodes/{one.name}"
    before = {file.name: file.read_bytes() for file in files(path)}
    if not indexed:
        (path / "index.parquet").unlink()
        assert compact(path).files_before == 5
        assert one.exists()  # nobody knows what it held: it stays
        return
    with pytest.raises(UserError, match=f"episode {one.stem} is in the index, but no file holds it"):
        compact(path)
    assert {file.name: file.read_bytes() for file in files(path)} == before
    one.write_bytes(kept)
    assert compact(path).files_after == 1
    assert len(Dataset.open(path, verify=True)) == 5


def test_the_index_of_another_data_set_with_the_same_ids_is_named(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with DatasetWriter(other, fake_spec()) as writer:
        for episode_id in Dataset.open(path).ids:
            writer.append(fake_episode(9, seed=77, id=episode_id))
    shutil.copyfile(other / "index.parquet", path / "index.parquet")
    with pytest.raises(UserError, match=r"is not the one that the index means .*`genieredux data index .*set`"):
        Dataset.open(path).episode(0)
    with pytest.raises(UserError, match=r"no file holds it as the index says"):
        compact(path)
    assert rebuild_index(path).num_rows == 5
    Dataset.open(path, verify=True)


def test_a_missing_episode_stops_a_compaction(path: Path) -> None:
    files(path)[0].unlink()
    with pytest.raises(UserError, match="no file holds it"):
        compact(path)
    rebuild_index(path)
    compact(path)
    assert len(Dataset.open(path, verify=True)) == 4


def test_a_damaged_shard_never_costs_the_good_file(path: Path, tmp_path: Path) -> None:
    """A compaction killed before it removed the small files, whose shard was damaged since."""
    shutil.copytree(path, tmp_path / "copy")
    compact(path)
    for file in files(tmp_path / "copy"):
        shutil.copy(file, path / "episodes")
    (shard,) = (path / "episodes").glob("shard-*")
    content = bytearray(shard.read_bytes())
    content[200] ^= 1
    shard.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged|checksum"):
        compact(path)
    assert len(files(path)) == 6


STRAYS = (".DS_Store", "Thumbs.db", "desktop.ini", "._x", "._a.parquet", "notes.txt", "x.parquet~", "x.parquet.swp")


def test_what_systems_and_editors_leave_about_breaks_nothing(path: Path) -> None:
    ids = Dataset.open(path).ids
    for folder in (path, path / "episodes", path / "tokens", path / "tokens/tiny"):
        for name in (*STRAYS, os.fsdecode(b"caf\xe9"), os.fsdecode(b"caf\xe9.parquet")):
            (folder / name).write_bytes(b"")
        for name in (".git", "lost+found", "__MACOSX", ".ipynb_checkpoints", "sub", "x (1).parquet"):
            (folder / name).mkdir()
            (folder / name / "shard-00000.parquet").write_bytes(b"half")
    one = files(path)[0]
    for copy in (f"{one.stem} (1).parquet", f"{one.stem}.sync-conflict-20240101-000000-ABCDEFG.parquet"):
        shutil.copyfile(files(path)[1], path / "episodes" / copy)
    shutil.copyfile(path / "index.parquet", path / "index (1).parquet")
    assert Dataset.open(path, verify=True).ids == ids
    TokenCache.open(Dataset.open(path), "tiny")
    TokenCache.build(Dataset.open(path), lambda clips: clips[..., ::8, ::8, 0].astype(np.int64), "tiny", clip_frames=4)
    assert verify(path).faults == ()
    rebuild_index(path)
    with DatasetWriter(path, fake_spec()) as writer:
        assert writer.ids == set(ids)
    compact(path)
    assert Dataset.open(path, verify=True).ids == ids
    (path / "index.parquet").unlink()
    assert Dataset.open(path, verify=True).ids == ids


def write_spec(path: Path, **values: object) -> None:
    file = path / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "../../x"}, "name is '../../x'"),
        ({"name": "/x"}, "name is '/x'"),
        ({"name": None}, "name is None"),
        ({"name": ["x"]}, "name is"),
        ({"image_size": 10_000_000_000}, "image_size is 10000000000"),
        ({"image_size": -1}, "image_size is -1"),
        ({"image_size": "big"}, "image_size is 'big'"),
        ({"image_size": 64.5}, "image_size is 64.5"),
        ({"action_names": 3}, "action_names is 3"),
        ({"action_names": "LEFT"}, "action_names is 'LEFT'"),
        ({"action_names": [["a"]]}, "action_names"),
        ({"created_by": 3}, "created_by is 3"),
        ({"schema_version": []}, r"schema version \[\]"),
        ({"block_frames": "x"}, "block_frames is x"),
    ],
)
def test_a_wrong_description_is_one_line(path: Path, values: dict, message: str) -> None:
    write_spec(path, **values)
    for look in (Dataset.open, compact, rebuild_index):
        with pytest.raises(UserError, match=message) as caught:
            look(path)
        assert "dataset.json" in str(caught.value) or "data set" in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"null"])
def test_a_description_of_noise_is_one_line(path: Path, text: bytes) -> None:
    (path / "dataset.json").write_bytes(text)
    with pytest.raises(UserError, match=r"dataset\.json"):
        Dataset.open(path)
    assert verify(path).faults


def change_index(path: Path, column: str, value: object) -> None:
    table = pq.read_table(path / "index.parquet")
    values = table[column].to_pylist()
    values[0] = value
    at = table.schema.get_field_index(column)
    kind = table.schema.field(column).type
    try:
        changed = pa.array(values, kind)
    except pa.ArrowException:
        changed = pa.array([value] * len(values))
    pq.write_table(table.set_column(at, column, changed), path / "index.parquet")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("file", "../../x.parquet"),
        ("file", "/etc/passwd"),
        ("file", "episodes/../../x.parquet"),
        ("file", None),
        ("split", "../../x"),
        ("split", "a\\b"),
        ("split", ""),
        ("split", None),
        ("id", "../x"),
        ("id", None),
        ("length", -5),
        ("length", None),
        ("length", "many"),
        ("row", -1),
        ("shape", [16, 16]),
        ("shape", [100_000, 100_000, 3]),
        ("action_counts", [1]),
        ("checksum", None),
    ],
)
def test_a_wrong_index_is_one_line(path: Path, column: str, value: object) -> None:
    change_index(path, column, value)
    with pytest.raises(UserError, match=r"index\.parquet.*rebuild it") as caught:
        Dataset.open(path)
    assert column in str(caught.value) or value == "many"
    assert verify(path).faults[0].file == "index.parquet"
    with DatasetWriter(path, fake_spec()):  # the files are whole: the index is made anew
        pass
    assert len(Dataset.open(path, verify=True)) == 5


@pytest.mark.parametrize(
    ("column", "value"),
    [("length", 10**6), ("row", 1), ("seed", 99), ("info_dtypes", "{"), ("info_dtypes", '{"a": "O"}')],
)
def test_an_index_that_says_other_than_its_files_is_noticed(path: Path, column: str, value: object) -> None:
    change_index(path, column, value)
    assert verify(path).faults
    if column != "seed":
        with pytest.raises(UserError, match=r"index|damaged"):
            Dataset.open(path).episode(0)


def test_an_index_that_claims_more_than_it_can_hold_is_one_line(path: Path) -> None:
    rows = 1 << 24
    empty = pa.array([""]).dictionary_encode()
    pq.write_table(
        pa.table({"id": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), empty.dictionary)}),
        path / "index.parquet",
    )
    with pytest.raises(UserError, match=r"it claims 16777216 episodes in \d+ bytes"):
        Dataset.open(path)


def change_meta(file: Path, **values: object) -> None:
    table = pq.read_table(file)
    metadata = pq.read_metadata(file).metadata
    stated = json.loads(metadata[b"genieredux"])
    stated["episodes"][0].update(values)
    table = table.replace_schema_metadata({b"genieredux": json.dumps(stated).encode()})
    pq.write_table(table, file, row_group_size=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../x"),
        ("id", 3),
        ("split", "../x"),
        ("length", -1),
        ("length", 10**12),
        ("length", True),
        ("shape", [10**9, 10**9, 3]),
        ("shape", 3),
        ("action_counts", [-1]),
        ("info_dtypes", {"a": "O"}),
        ("info_dtypes", {"a": "V99999999"}),
        ("tags", "x"),
        ("seed", 10**30),
        ("extra", 1),
    ],
)
def test_wrong_facts_in_an_episode_file_are_one_line(path: Path, field: str, value: object) -> None:
    one = files(path)[0]
    change_meta(one, **{field: value})
    with pytest.raises(UserError, match=one.name) as caught:
        rebuild_index(path)
    assert field in str(caught.value)
    with pytest.raises(UserError, match=one.name):
        Dataset.open(path).episode(Dataset.open(path).ids.index(one.stem))


def change_marker(path: Path, **values: object) -> None:
    file = path / "tokens/tiny/complete.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"shards": ["../../../x.parquet"]},
        {"shards": 3},
        {"shards": None},
        {"grid": [10**6, 10**6]},
        {"grid": [-1, 2]},
        {"grid": [1e400, 2]},
        {"clip_frames": 10**12},
        {"tokenizer_id": "../x"},
        {"tokenizer_id": None},
        {"cache_version": "x"},
    ],
)
def test_a_wrong_token_cache_is_one_line(path: Path, values: dict) -> None:
    change_marker(path, **values)
    with pytest.raises(UserError, match=r"tokenizer|token cache"):
        TokenCache.open(Dataset.open(path), "tiny")


def test_the_id_of_a_tokenizer_is_no_place(path: Path) -> None:
    for tokenizer_id in ("../x", "/x", "", "a/b", "x" * 200):
        with pytest.raises(UserError, match="tokenizer id"):
            TokenCache.open(Dataset.open(path), tokenizer_id)


@pytest.mark.parametrize(
    ("column", "value"), [("tokens", [[0] * 4]), ("tokens", [[-1] * 160]), ("actions", [[0]]), ("episode", [None])]
)
def test_wrong_rows_of_tokens_are_one_line(path: Path, column: str, value: list) -> None:
    shard = path / "tokens/tiny/shard-00000.parquet"
    table = pq.read_table(shard).slice(0, 1)
    kind = table.schema.field(column).type
    table = table.set_column(table.schema.get_field_index(column), column, pa.array(value, kind))
    pq.write_table(table, shard)
    with pytest.raises(UserError, match=r"shard-00000|tokens for episode"):
        TokenCache.open(Dataset.open(path), "tiny")


@pytest.mark.parametrize("name", ["date::x", "12:30", "a b#c?d", "été", "x%20y", "[1]"])
def test_a_path_is_a_path_whatever_signs_are_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    fake_dataset(name)
    compact(name)
    assert len(Dataset.open(name, verify=True)) == 5
    assert verify(name).faults == ()


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fake_dataset("~/mine")
    assert len(Dataset.open(tmp_path / "mine")) == len(Dataset.open("~/mine")) == 5
