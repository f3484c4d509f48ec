"""Exports hold what the data set holds, are read by the libraries they are for, and appear whole or not at all."""

import errno
import json
import os
import sys
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Episode
from genieredux.episodes.fake import ACTION_NAMES, fake_dataset, fake_episode
from genieredux.episodes.interchange import ExportConfig, VideoConfig, export, import_videos, lerobot_export
from genieredux.episodes.interchange.lerobot_stats import histogram, number_stats, picture_stats
from genieredux.episodes.schema import UNKNOWN_ACTION
from genieredux.errors import UserError

SIZE = 32
LENGTHS = (20, 3, 17, 1, 16)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Five episodes, the last of split test, one of a single frame."""
    return fake_dataset(tmp_path / "data", LENGTHS, SIZE)


@pytest.fixture
def silent(tmp_path: Path) -> Dataset:
    """A data set without actions, and with ground truth that only one episode has."""
    with DatasetWriter(tmp_path / "silent", DatasetSpec("silent", SIZE, ())) as writer:
        for seed in range(2):
            source = fake_episode(6, seed, SIZE)
            info = {"x": np.array([1, 2, np.nan, 4, 5, 6.0])} if seed else {}
            nothing = np.full(5, UNKNOWN_ACTION)
            writer.append(Episode(source.frames, nothing, np.zeros(5, np.float32), False, False, info, seed=seed))
    return Dataset.open(tmp_path / "silent")


def run(dataset: Dataset, format: str, out: Path, **options: object) -> Path:
    return export(ExportConfig(dataset.path, format, str(out), **options)).path  # type: ignore[arg-type]


def read_film(path: Path) -> np.ndarray:
    """By PyAV itself, not by this project's reader."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


# --- mp4 ---------------------------------------------------------------------------------------------------------


def test_lossless_films_and_their_notes_hold_everything(dataset: Dataset, tmp_path: Path) -> None:
    out = run(dataset, "mp4", tmp_path / "films", lossless=True)
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        assert np.array_equal(read_film(out / f"{episode.id}.mp4"), episode.frames)
        notes = json.loads((out / f"{episode.id}.json").read_text())
        again = Episode(
            frames=episode.frames,
            actions=np.array(notes["actions"], np.int64),
            rewards=np.array(notes["rewards"], np.float32),
            info={key: np.array(values, notes["info_dtypes"][key]) for key, values in notes["info"].items()},
            tags=tuple(notes["tags"]),
            **{k: notes[k] for k in "terminated truncated game console policy seed instance split id".split()},  # noqa: SIM905
        )
        assert again.same_as(episode)
        assert notes["action_names"] == list(ACTION_NAMES)


def test_lossy_films_are_near(dataset: Dataset, tmp_path: Path) -> None:
    out = run(dataset, "mp4", tmp_path / "films")
    episode = dataset.episode(0)
    film = read_film(out / f"{episode.id}.mp4")
    assert film.shape == episode.frames.shape
    assert np.abs(film.astype(int) - episode.frames).mean() < 10


def test_films_come_back_as_the_same_data_set(dataset: Dataset, tmp_path: Path) -> None:
    long = dataset.take(np.flatnonzero(dataset.lengths > 1))
    out = run(dataset, "mp4", tmp_path / "films", lossless=True)
    for path in out.glob("*.mp4"):
        if len(read_film(path)) == 1:
            path.unlink()
    made = import_videos(VideoConfig(str(out), "back", str(tmp_path), SIZE, actions=str(out)))
    back = Dataset.open(made.path)
    assert back.spec.action_names == dataset.spec.action_names
    found = {tags[0].removesuffix(".mp4"): i for i, tags in enumerate(back.index["tags"].to_pylist())}
    for i, episode_id in enumerate(long.ids):
        assert np.array_equal(back.frames(found[episode_id]), long.frames(i))
        assert np.array_equal(back.actions(found[episode_id]), long.actions(i))


def test_films_without_actions_say_null(silent: Dataset, tmp_path: Path) -> None:
    out = run(silent, "mp4", tmp_path / "films")
    notes = json.loads((out / f"{silent.ids[1]}.json").read_text())
    assert notes["actions"] is None
    assert notes["info"]["x"] == [1, 2, None, 4, 5, 6]


def test_odd_sizes_need_lossless(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "odd", DatasetSpec("odd", 17, ("A",))) as writer:
        frames = np.random.default_rng(0).integers(0, 255, (4, 17, 17, 3), np.uint8)
        writer.append(Episode(frames, np.zeros(3, np.int64), np.zeros(3, np.float32), True, False))
    odd = Dataset.open(tmp_path / "odd")
    for format in ("mp4", "lerobot"):
        with pytest.raises(UserError, match=r"17x17.*lossless=true"):
            run(odd, format, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    out = run(odd, "mp4", tmp_path / "out", lossless=True)
    assert np.array_equal(read_film(next(out.glob("*.mp4"))), frames)


# --- Minari ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SIZE, 64])
def test_minari_reads_the_same_frames_actions_rewards_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    minari = pytest.importorskip("minari")
    dataset = fake_dataset(tmp_path / "data", LENGTHS, size)
    out = run(dataset, "minari", tmp_path / "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(out))
    assert list(minari.list_local_datasets()) == ["genieredux/fake-v0"]
    loaded = minari.load_dataset("genieredux/fake-v0")
    assert loaded.total_episodes == len(LENGTHS)
    assert loaded.total_steps == sum(LENGTHS) - len(LENGTHS)
    assert loaded.action_space.n == len(ACTION_NAMES)
    assert loaded.observation_space.shape == (3, size, size)
    for i, theirs in enumerate(loaded.iterate_episodes()):
        ours = dataset.episode(i)
        assert np.array_equal(theirs.observations.transpose(0, 2, 3, 1), ours.frames)
        assert np.array_equal(theirs.actions, ours.actions)
        assert np.array_equal(theirs.rewards, ours.rewards)
        steps = len(ours) - 1
        assert theirs.terminations.tolist() == ([False] * (steps - 1) + [ours.terminated])[:steps]
        assert theirs.truncations.tolist() == ([False] * (steps - 1) + [ours.truncated])[:steps]
        assert np.array_equal(np.ravel(theirs.infos["place"]), ours.info["place"])
        assert np.array_equal(np.ravel(theirs.infos["height"]), ours.info["height"])
    facts = list(loaded.storage.get_episode_metadata(range(len(LENGTHS))))
    assert [fact["episode"] for fact in facts] == list(dataset.ids)
    assert loaded.storage.metadata["action_names"] == list(ACTION_NAMES)
    assert loaded.storage.metadata["dataset_size"] > 0


def test_minari_wants_actions(silent: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("minari")
    with pytest.raises(UserError, match="wants an action at every step"):
        run(silent, "minari", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_library_it_says_what_to_install(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    with pytest.raises(UserError, match=r'pip install "genieredux\[minari\]"'):
        run(dataset, "minari", tmp_path / "out")


# --- LeRobot v3.0 ------------------------------------------------------------------------------------------------

STATISTICS = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}


def check_lerobot(folder: Path) -> dict:
    """What the documentation of LeRobotDataset v3.0 and its reader ask of a folder; returns meta/info.json."""
    info = json.loads((folder / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert info["data_path"] == "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    assert info["video_path"] == "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    assert {"robot_type", "chunks_size", "data_files_size_in_mb", "video_files_size_in_mb", "splits"} <= info.keys()
    features = info["features"]
    standard = {"timestamp": "float32"} | dict.fromkeys(
        ("frame_index", "episode_index", "index", "task_index"), "int64"
    )
    for name, kind in standard.items():
        assert features[name] == {"dtype": kind, "shape": [1], "names": None}
    assert all("/" not in name and {"dtype", "shape", "names"} <= feature.keys() for name, feature in features.items())
    videos = [name for name, feature in features.items() if feature["dtype"] == "video"]
    columns = {name: feature["dtype"] for name, feature in features.items() if name not in videos}

    stats = json.loads((folder / "meta/stats.json").read_text())
    assert stats.keys() == features.keys()
    for name, values in stats.items():
        assert values.keys() == STATISTICS
        assert np.shape(values["mean"]) == ((3, 1, 1) if name in videos else (1,))

    tasks = pq.read_table(folder / "meta/tasks.parquet")
    pandas = json.loads(tasks.schema.metadata[b"pandas"])
    assert pandas["index_columns"] == ["task"]
    assert tasks["task_index"].to_pylist() == list(range(info["total_tasks"]))

    episodes = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert len(episodes) == info["total_episodes"]
    first = 0
    for number, row in enumerate(episodes):
        assert row["episode_index"] == number
        assert set(row["tasks"]) <= set(tasks["task"].to_pylist())
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (first, first + row["length"])
        first += row["length"]
        place = {key: row[f"data/{key}"] for key in ("chunk_index", "file_index")}
        table = pq.read_table(folder / info["data_path"].format(**place))
        assert {field.name: str(field.type).replace("double", "float64") for field in table.schema} == {
            name: kind.replace("float32", "float") for name, kind in columns.items()
        }
        assert (row["meta/episodes/chunk_index"], row["meta/episodes/file_index"]) == (0, 0)
        for key in videos:
            assert row[f"videos/{key}/to_timestamp"] - row[f"videos/{key}/from_timestamp"] == pytest.approx(
                row["length"] / info["fps"]
            )
        assert {name for name in row if name.startswith("stats/")} == {
            f"stats/{name}/{statistic}" for name in features for statistic in STATISTICS
        }
    assert first == info["total_frames"]
    return info


def lerobot_episode(folder: Path, info: dict, number: int) -> tuple[dict[str, list], np.ndarray]:
    """Rows and frames of an episode, found through the metadata as LeRobot's reader does."""
    row = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[number]
    data = {key: row[f"data/{key}"] for key in ("chunk_index", "file_index")}
    rows = pq.read_table(folder / info["data_path"].format(**data), filters=[("episode_index", "=", number)])
    key = "observation.image"
    video = {part: row[f"videos/{key}/{part}"] for part in ("chunk_index", "file_index")}
    times = {}
    with av.open(str(folder / info["video_path"].format(video_key=key, **video))) as container:
        for frame in container.decode(video=0):
            times[round(frame.time * info["fps"])] = (frame.time, frame.to_ndarray(format="rgb24"))
    frames = []
    for k in range(row["length"]):
        wanted = row[f"videos/{key}/from_timestamp"] + k / info["fps"]
        time, frame = times[round(wanted * info["fps"])]
        assert abs(time - wanted) < 1e-4  # LeRobot's tolerance
        frames.append(frame)
    return rows.to_pydict(), np.stack(frames)


@pytest.mark.parametrize("lossless", [True, False])
def test_lerobots_layout_holds_the_same_episodes(dataset: Dataset, tmp_path: Path, lossless: bool) -> None:
    out = run(dataset, "lerobot", tmp_path / "lerobot", fps=12, lossless=lossless)
    info = check_lerobot(out)
    assert info["splits"] == {"train": "0:4", "test": "4:5"}
    assert info["features"]["action"]["info"]["action_names"] == list(ACTION_NAMES)
    order = [i for split in ("train", "test") for i, s in enumerate(dataset.index["split"].to_pylist()) if s == split]
    for number, i in enumerate(order):
        ours = dataset.episode(i)
        rows, frames = lerobot_episode(out, info, number)
        steps = len(ours) - 1
        if lossless:
            assert np.array_equal(frames, ours.frames)
        assert np.abs(frames.astype(int) - ours.frames).mean() < 10
        assert rows["action"] == [*ours.actions.tolist(), -1]
        assert rows["action_taken"] == [True] * steps + [False]
        assert rows["next.reward"] == [*ours.rewards.tolist(), 0]
        assert rows["next.done"][steps:] == [True]
        assert rows["next.done"][:steps] == [False] * (steps - 1) + [True] * min(steps, 1)
        assert rows["info.place"] == ours.info["place"].tolist()
        assert rows["info.height"] == ours.info["height"].tolist()
        assert rows["frame_index"] == list(range(len(ours)))
        assert rows["timestamp"] == np.float32(np.arange(len(ours)) / 12).tolist()


def test_lerobots_layout_without_actions(silent: Dataset, tmp_path: Path) -> None:
    out = run(silent, "lerobot", tmp_path / "lerobot")
    info = check_lerobot(out)
    assert "action" not in info["features"]
    rows, _ = lerobot_episode(out, info, 0)
    assert not any(rows["action_taken"])
    assert np.isnan(rows["info.x"]).all()
    stats = json.loads((out / "meta/stats.json").read_text())["info.x"]
    assert (stats["min"], stats["max"], stats["count"]) == ([1], [6], [5])


def test_lerobots_files_roll_over_when_full(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_export, "DATA_MB", 0)
    monkeypatch.setattr(lerobot_export, "VIDEO_MB", 0)
    monkeypatch.setattr(lerobot_export, "CHUNK_FILES", 2)
    out = run(dataset, "lerobot", tmp_path / "lerobot", lossless=True)
    info = check_lerobot(out)
    assert len(list(out.glob("data/*/*.parquet"))) == len(list(out.glob("videos/*/*/*.mp4"))) == len(dataset)
    assert (out / "data/chunk-002/file-000.parquet").is_file()
    assert np.array_equal(lerobot_episode(out, info, 4)[1], dataset.select(split="test").episode(0).frames)


def test_statistics_are_those_of_numpy() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), np.uint8)
    stats, pixels = picture_stats(histogram(frames), 6), frames.reshape(-1, 3) / 255
    for name, expected in {
        "min": pixels.min(0),
        "max": pixels.max(0),
        "mean": pixels.mean(0),
        "std": pixels.std(0),
        "q10": np.quantile(pixels, 0.1, axis=0, method="inverted_cdf"),
        "q99": np.quantile(pixels, 0.99, axis=0, method="inverted_cdf"),
    }.items():
        assert np.ravel(stats[name]) == pytest.approx(expected)
    assert stats["count"] == [6]
    assert number_stats(np.array([1, 2, np.nan, 3]))["mean"] == [2]
    assert number_stats(np.array([np.nan]))["count"] == [0]


# --- folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["mp4", "lerobot", "minari"])
def test_an_export_that_fails_or_is_stopped_leaves_nothing(dataset: Dataset, tmp_path: Path, format: str) -> None:
    if format == "minari":
        pytest.importorskip("minari")

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    cfg = ExportConfig(dataset.path, format, str(tmp_path / "place/out"))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        export(cfg, interrupt)
    assert list((tmp_path / "place").iterdir()) == []
    assert export(cfg).episodes == len(dataset)


def test_a_full_disk_is_said_and_leaves_nothing(dataset: Dataset, tmp_path: Path) -> None:
    def fill(done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="the disk is full"):
        export(ExportConfig(dataset.path, "mp4", str(tmp_path / "place/out")), fill)
    assert list((tmp_path / "place").iterdir()) == []


def test_an_existing_folder_is_kept_unless_it_is_an_export_and_may_be_replaced(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = run(dataset, "mp4", tmp_path / "out")
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(UserError, match=r"exists; give another out=FOLDER, or overwrite=true"):
        run(dataset, "lerobot", out)
    assert sorted(path.name for path in out.iterdir()) == before
    run(dataset, "lerobot", out, overwrite=True)
    assert not list(out.glob("*.mp4"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("unique")
    with pytest.raises(UserError, match="is no export"):
        run(dataset, "mp4", mine, overwrite=True)
    assert (mine / "thesis.txt").read_text() == "unique"


@pytest.mark.parametrize(
    ("options", "message"), [({"fps": 0}, "fps is 0"), ({"out": ""}, "out is empty"), ({"path": "nothing"}, "nothing")]
)
def test_bad_options_are_refused(dataset: Dataset, tmp_path: Path, options: dict, message: str) -> None:
    known = {"path": dataset.path, "format": "mp4", "out": str(tmp_path / "out")}
    with pytest.raises(UserError, match=message):
        export(ExportConfig(**{**known, **options}))
    assert not (tmp_path / "out").exists()
