"""A data set in LeRobot's layout, version 3.0 of the format (huggingface.co/docs/lerobot/lerobot-dataset-v3).

    meta/info.json  meta/stats.json  meta/tasks.parquet  meta/episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet                      a row per frame, many episodes a file, a row group each
    videos/observation.image/chunk-000/file-000.mp4      their frames, one after the other

LeRobot has a row per frame, each with its action, and an episode has one action less than frames: in the last row
`action` is -1 and `action_taken` false, since no action was taken there. `next.reward` is what the row's action
earned; `next.done` is true where no step follows. The library is not needed to write this.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.episodes.interchange.lerobot_stats import (
    Stats,
    flatten,
    histogram,
    number_stats,
    picture_stats,
)
from genieredux.episodes.interchange.mp4_export import check_size
from genieredux.episodes.interchange.splits import Progress
from genieredux.episodes.reader import Dataset
from genieredux.episodes.schema import UNKNOWN_ACTION, Episode
from genieredux.pictures import VideoWriter

VERSION = "v3.0"
PICTURE = "observation.image"
CHUNK_FILES = 1000
DATA_MB = 100
VIDEO_MB = 200
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

_KEYFRAMES = 2  # LeRobot reads single frames, so a key frame is never far
_SPLITS = ("train", "validation", "test")
_COUNTERS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"}


def write_lerobot(dataset: Dataset, folder: Path, fps: int, lossless: bool, progress: Progress | None = None) -> None:
    """Fills `folder`. lossless: pictures to the bit (libx264rgb), else yuv420p. progress: in episodes.

    Episodes are ordered by split, so that each split is a range. Raises UserError for an odd size that is not lossless.
    """
    check_size(dataset.spec.image_size, lossless)
    order, splits = _order(dataset)
    games = sorted(set(dataset.index["game"].to_pylist()))
    columns = _columns(dataset)
    with _Export(folder, columns, fps, dataset.spec.image_size, lossless) as export:
        for number, i in enumerate(order):
            episode = dataset.episode(i)
            export.add(episode, number, games.index(episode.game))
            if progress:
                progress(number + 1, len(order))
    _write_json(folder / "meta/stats.json", export.stats())
    _write_tasks(folder / "meta/tasks.parquet", [task_of(game) for game in games])
    info = {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": len(order),
        "total_frames": export.frames,
        "total_tasks": len(games),
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": fps,
        "splits": splits,
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH,
        "features": _features(dataset, columns, fps, export.video_facts()),
    }
    _write_json(folder / "meta/info.json", info)


def task_of(game: str) -> str:
    """What LeRobot calls the task of a game's episodes."""
    return f"Play {game}."


class _Export:
    """Writes episode after episode into data and video files, a new file where one is full."""

    def __init__(self, folder: Path, columns: dict[str, str], fps: int, size: int, lossless: bool) -> None:
        self._folder, self._columns, self._fps = folder, columns, fps
        self._size, self._lossless = size, lossless
        self._schema = pa.schema([(name, pa.from_numpy_dtype(np.dtype(kind))) for name, kind in columns.items()])
        self._data_number = self._video_number = -1
        self._data_bytes = 0
        self._data: pq.ParquetWriter | None = None
        self._video: VideoWriter | None = None
        self._levels = np.zeros((3, 256), np.int64)
        self._kept: dict[str, list[np.ndarray]] = {name: [] for name in columns}
        self._episodes: list[dict[str, Any]] = []
        self.frames = 0

    def __enter__(self) -> "_Export":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.ExitStack() as files:  # each is closed, whatever another meets
            for file in (self._data, self._video):
                if file is not None:
                    files.callback(file.close)
        if kind is None:
            path = self._path(EPISODES_PATH, 0)
            pq.write_table(pa.Table.from_pylist(self._episodes), path, compression="snappy")

    def add(self, episode: Episode, number: int, task: int) -> None:
        """The episode, as number `number` of the export."""
        rows = self._rows(episode, number, task)
        data, video = self._open_data(), self._open_video()
        first_picture = video.frames
        table = pa.table({name: pa.array(rows[name]) for name in self._columns}, schema=self._schema)
        data.write_table(table, row_group_size=len(table))
        self._data_bytes += table.nbytes
        video.add(episode.frames)
        levels = histogram(episode.frames)
        self._levels += levels
        for name, values in rows.items():
            self._kept[name].append(values)
        stats = {PICTURE: picture_stats(levels, len(episode)), **self._number_stats(rows)}
        self._episodes.append(
            {
                "episode_index": number,
                "tasks": [task_of(episode.game)],
                "length": len(episode),
                **_place("data", self._data_number),
                "dataset_from_index": self.frames,
                "dataset_to_index": self.frames + len(episode),
                **_place(f"videos/{PICTURE}", self._video_number),
                f"videos/{PICTURE}/from_timestamp": first_picture / self._fps,
                f"videos/{PICTURE}/to_timestamp": video.frames / self._fps,
                **flatten(stats),
                **_place("meta/episodes", 0),
                **_facts(episode),
            }
        )
        self.frames += len(episode)

    def stats(self) -> dict[str, Stats]:
        """Of the whole data set, by feature."""
        rows = {name: np.concatenate(parts) for name, parts in self._kept.items()}
        return {PICTURE: picture_stats(self._levels, self.frames), **self._number_stats(rows)}

    def video_facts(self) -> dict[str, Any]:
        """How the films are encoded, in LeRobot's words."""
        return {
            "video.height": self._size,
            "video.width": self._size,
            "video.codec": "h264",
            "video.pix_fmt": "gbrp" if self._lossless else "yuv420p",
            "video.is_depth_map": False,
            "video.fps": self._fps,
            "video.channels": 3,
            "has_audio": False,
        }

    def _number_stats(self, rows: dict[str, np.ndarray]) -> dict[str, Stats]:
        """Of every number; of actions only where one was taken."""
        taken = rows["action_taken"]
        return {name: number_stats(values[taken] if name == "action" else values) for name, values in rows.items()}

    def _rows(self, episode: Episode, number: int, task: int) -> dict[str, np.ndarray]:
        """Column -> (T,): what the data file holds of an episode."""
        length = len(episode)
        count = np.arange(length)
        over = np.zeros(length, np.bool_)
        over[-1] = True
        if length > 1:
            over[-2] = episode.terminated or episode.truncated
        values: dict[str, np.ndarray] = {
            "action": _with_last(episode.actions, UNKNOWN_ACTION),
            "action_taken": _with_last(episode.actions != UNKNOWN_ACTION, False),
            "next.reward": _with_last(episode.rewards, 0),
            "next.done": over,
            **{info_name(key): column for key, column in episode.info.items()},
            "timestamp": count / self._fps,
            "frame_index": count,
            "episode_index": np.full(length, number),
            "index": self.frames + count,
            "task_index": np.full(length, task),
        }
        absent = np.full(length, np.nan)
        return {name: values.get(name, absent).astype(kind) for name, kind in self._columns.items()}

    def _open_data(self) -> pq.ParquetWriter:
        if self._data is None or self._data_bytes >= DATA_MB << 20:
            if self._data is not None:
                self._data.close()
            self._data_number += 1
            self._data_bytes = 0
            path = self._path(DATA_PATH, self._data_number)
            self._data = pq.ParquetWriter(path, self._schema, compression="snappy")
        return self._data

    def _open_video(self) -> VideoWriter:
        if self._video is None or self._video.bytes >= VIDEO_MB << 20:
            if self._video is not None:
                self._video.close()
            self._video_number += 1
            path = self._path(VIDEO_PATH, self._video_number, video_key=PICTURE)
            self._video = VideoWriter(path, self._fps, (self._size, self._size), self._lossless, _KEYFRAMES)
        return self._video

    def _path(self, template: str, number: int, **names: str) -> Path:
        path = self._folder / template.format(**_indices(number), **names)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def info_name(key: str) -> str:
    """The column of a ground-truth variable; LeRobot allows no slash in it."""
    return "info." + key.replace("/", ".")


def _columns(dataset: Dataset) -> dict[str, str]:
    """Column -> numpy dtype, of the data files. A variable that some episode lacks is float64, with NaN there."""
    kinds: dict[str, list[str]] = {}
    for text in dataset.index["info_dtypes"].to_pylist():
        for key, kind in json.loads(text).items():
            kinds.setdefault(key, []).append(kind)
    info = {
        info_name(key): np.result_type(*found).name if len(found) == len(dataset) else "float64"
        for key, found in sorted(kinds.items())
    }
    steps = {"action": "int64"} if dataset.spec.has_actions else {}
    steps |= {"action_taken": "bool", "next.reward": "float32", "next.done": "bool"}
    return {**steps, **info, **_COUNTERS, "task_index": "int64"}


def _features(dataset: Dataset, columns: dict[str, str], fps: int, video: dict[str, Any]) -> dict[str, Any]:
    size = dataset.spec.image_size
    picture = {"dtype": "video", "shape": [size, size, 3], "names": ["height", "width", "channels"], "info": video}
    features: dict[str, Any] = {PICTURE: picture}
    features |= {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in columns.items()}
    if dataset.spec.has_actions:
        features["action"]["names"] = ["action"]
        features["action"]["info"] = {"action_names": list(dataset.spec.action_names), "none": UNKNOWN_ACTION}
    return features


def _order(dataset: Dataset) -> tuple[list[int], dict[str, str]]:
    """Episode numbers ordered by split, and the range of each split as LeRobot writes it."""
    found = dataset.index["split"].to_pylist()
    names = sorted(set(found), key=lambda name: (_SPLITS.index(name) if name in _SPLITS else len(_SPLITS), name))
    order = [i for name in names for i, split in enumerate(found) if split == name]
    splits, first = {}, 0
    for name in names:
        count = found.count(name)
        splits[name] = f"{first}:{first + count}"
        first += count
    return order, splits


def _with_last(values: np.ndarray, last: float) -> np.ndarray:
    """One value per frame out of one per step: the last frame, where no step begins, has `last`."""
    return np.append(values, np.array([last], values.dtype))


def _indices(number: int) -> dict[str, int]:
    return {"chunk_index": number // CHUNK_FILES, "file_index": number % CHUNK_FILES}


def _place(what: str, number: int) -> dict[str, int]:
    return {f"{what}/{key}": value for key, value in _indices(number).items()}


def _facts(episode: Episode) -> dict[str, Any]:
    """Columns beyond the format's own: which episode of the source this is."""
    facts = {"id": episode.id, **episode.labels}
    return {f"genieredux.{name}": value for name, value in facts.items() if name != "tags"}


def _write_tasks(path: Path, tasks: list[str]) -> None:
    """The tasks as pandas writes a frame whose index is the task: LeRobot looks them up by it."""
    kinds = [("task_index", "int64", "int64"), ("task", "unicode", "object")]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
            for name, kind, numpy in kinds
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    table = pa.table({"task_index": pa.array(range(len(tasks)), pa.int64()), "task": pa.array(tasks, pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _write_json(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=4, allow_nan=False) + "\n", encoding="utf-8")
