"""The job that turns a folder of videos into a data set: decode, pad and shrink, cut into episodes; resumable.

A video is an episode, or several where it is long: each next one begins with the frame the last one ended with, so no
transition is lost. Without an action file the data set has no actions, and says so.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from genieredux.checking import above, at_least, within
from genieredux.config import FilePath
from genieredux.envs.frame import transform
from genieredux.episodes.alignment import num_actions
from genieredux.episodes.interchange.action_files import ActionTable, file_beside, read_actions
from genieredux.episodes.interchange.continuing import open_writer
from genieredux.episodes.interchange.convert import ImportSummary, LeftOut
from genieredux.episodes.interchange.decode import (
    MediaError,
    TimedFrame,
    count_frames,
    estimate_frames,
    read_timed_video,
)
from genieredux.episodes.interchange.splits import Progress, Shares
from genieredux.episodes.schema import UNKNOWN_ACTION, DatasetSpec, Episode
from genieredux.episodes.writer import DatasetWriter
from genieredux.errors import UserError
from genieredux.runs.places import check_name, user_path
from genieredux.runs.walk import files_below, printable

log = logging.getLogger(__name__)

NO_FILMS = (".csv", ".tsv", ".json", ".jsonl", ".txt", ".md", ".yaml", ".srt", ".vtt", ".jpg", ".jpeg")
"""Files beside the videos that are passed over in silence; any other file that holds no film is named."""

PICTURES = (".png", ".webp")
"""Passed over in silence too, unless they move."""

_TICK = 1e-6
MOST_FPS = 1000
"""Above, frames would only be repeated, without end."""


@dataclass(frozen=True)
class VideoConfig:
    """Which videos to import and how."""

    folder: FilePath
    """The folder of videos, or one video."""
    name: str
    """Of the data set, also stored as the game."""
    root: FilePath = "datasets"
    """The folder of data sets."""
    image_size: int = 64
    """Side of the square frames in pixels."""
    fps: float | None = None
    """Take that many frames a second by the clock of the video; null: as frame_skip says."""
    frame_skip: int = 1
    """Take every n-th frame; 1: every frame."""
    actions: FilePath | None = None
    """A CSV or JSON file, or a folder with one per video (action_files.py)."""
    action_names: tuple[str, ...] | None = None
    """What the indices in `actions` mean."""
    max_frames: int = 1000
    """Longer videos are cut into episodes of so many."""
    validation: float = 0.09
    """This part of the videos, whole videos each."""
    test: float = 0.01
    """As validation."""

    def __post_init__(self) -> None:
        check_name(self.name, "name")
        Shares(self.validation, self.test)
        for key, least in (("image_size", 1), ("frame_skip", 1), ("max_frames", 2)):
            at_least(key, getattr(self, key), least)
        above("fps", self.fps, 0)
        within("fps", self.fps, 0, MOST_FPS)
        if self.fps is not None and (self.frame_skip > 1 or self.actions):
            raise UserError("fps counts seconds, frame_skip and actions count frames; leave fps out")
        if self.action_names is not None and not self.actions:
            raise UserError("action_names without actions: give actions=FILE too")


@dataclass(frozen=True)
class Video:
    """One video: its path in the folder, how many frames about, and its number in the folder."""

    path: Path
    name: str
    frames: int
    number: int

    @property
    def stem(self) -> str:
        """How the ids of its episodes begin; two videos never share it."""
        slug = re.sub(r"[^A-Za-z0-9._=+-]+", "_", self.name).lstrip("._=+-")[:100]
        return f"video-{slug}-{hashlib.sha256(os.fsencode(self.name)).hexdigest()[:8]}"


def import_videos(cfg: VideoConfig, progress: Progress | None = None) -> ImportSummary:
    """Store the videos below `cfg.folder` as episodes; videos that an earlier run finished are not decoded again.

    A file that cannot be opened is left out and named; one that breaks off is kept as far as it goes, and named.
    Raises UserError where there is no video, actions and frames do not match (before anything is written), or the data
    set to make holds something else.
    """
    folder = user_path(cfg.folder)
    videos, left_out = _find_videos(folder)
    table = _read_table(cfg, videos)
    spec = DatasetSpec(cfg.name, cfg.image_size, table.names if table else ())
    shares, count = Shares(cfg.validation, cfg.test), len(videos)
    if table:
        videos, broken = _check_counts(cfg, videos, table)
        left_out += broken
    if not any(_moves(video.path) for video in videos):
        raise UserError(f"{folder}: none of the {len(videos)} videos has two frames that can be decoded")
    settings = {
        "verb": "data import-videos",
        "source": printable(folder.resolve().name),
        "fps": cfg.fps,
        "frame_skip": cfg.frame_skip,
        "max_frames": cfg.max_frames,
        **vars(shares),
    }
    with open_writer(cfg.root, spec, settings, {}) as writer:
        finished = {meta.id.rsplit("-p", 1)[0] for meta in writer.metas if not meta.truncated}
        job = _Import(cfg, writer, table, progress, sum(video.frames for video in videos))
        for video in videos:
            if video.stem not in finished:
                problem = job.run(video, shares.split(video.number, count))
                left_out += [problem] if problem else []
            job.finish(video)
        return ImportSummary(writer.path, left_out=tuple(left_out), **writer.growth)


class _Import:
    """Writes video after video."""

    def __init__(
        self, cfg: VideoConfig, writer: DatasetWriter, table: ActionTable | None, progress: Progress | None, total: int
    ) -> None:
        self._cfg, self._writer, self._table = cfg, writer, table
        self._progress, self._total, self._done = progress, total, 0

    def run(self, video: Video, split: str) -> LeftOut | None:
        """Store one video; returns what was wrong with it."""
        problem: list[str] = []
        count = 0
        kept = _every(_until_broken(video.path, problem), self._cfg.fps, self._cfg.frame_skip)
        small = ((number, transform(frame.pixels(), self._cfg.image_size)) for number, frame in kept)
        for part, (numbers, frames, last) in enumerate(cut(small, self._cfg.max_frames)):
            if len(frames) < 2:
                problem.append("it has a single frame")
                break
            episode = self._episode(video, split, part, numbers, frames, last)
            if episode.id not in self._writer.ids:
                self._writer.append(episode)
            count += len(frames)
            self._tell(min(numbers[-1] + 1, video.frames))
        if not problem:
            return None
        what = LeftOut(printable(video.name), problem[0] + (f"; {count} frames before that are kept" if count else ""))
        log.warning("left out: %s", what)
        return what

    def finish(self, video: Video) -> None:
        """The video is done with."""
        self._done += video.frames
        self._tell(0)

    def _tell(self, frames: int) -> None:
        if self._progress:
            self._progress(min(self._done + frames, self._total), self._total)

    def _episode(
        self, video: Video, split: str, part: int, numbers: list[int], frames: np.ndarray, last: bool
    ) -> Episode:
        steps = num_actions(len(frames))
        actions = np.full(steps, UNKNOWN_ACTION, np.int64)
        if self._table:
            actions = self._table.actions[video.name][numbers[:steps]]
        return Episode(
            frames=frames,
            actions=actions,
            rewards=np.zeros(steps, np.float32),
            terminated=False,
            truncated=not last,
            game=self._cfg.name,
            console="video",
            tags=(printable(video.name),),
            policy="recording",
            instance=video.number,
            split=split,
            id=f"{video.stem}-p{part:05d}",
        )


def cut(frames: Iterable[tuple[int, np.ndarray]], max_frames: int) -> Iterator[tuple[list[int], np.ndarray, bool]]:
    """Consecutive frames as parts of at most `max_frames`; a part begins with the frame the last one ended with.

    Takes (number, frame) and gives (numbers, frames uint8 (T, H, W, 3), whether it is the last part).
    """
    held: list[tuple[int, np.ndarray]] = []
    for item in frames:
        if len(held) == max_frames:
            yield [number for number, _ in held], np.stack([frame for _, frame in held]), False
            held = held[-1:]
        held.append(item)
    if held:
        yield [number for number, _ in held], np.stack([frame for _, frame in held]), True


def _every(frames: Iterable[TimedFrame], fps: float | None, skip: int) -> Iterator[tuple[int, TimedFrame]]:
    """(number in the video, frame) of those that are kept: every skip-th, or what is on screen at each tick of fps."""
    if fps is None:
        yield from ((number, frame) for number, frame in enumerate(frames) if number % skip == 0)
        return
    held: tuple[int, TimedFrame] | None = None
    ticks = 0
    for number, frame in enumerate(frames):
        while held is not None and ticks / fps < frame.time - _TICK:
            yield held
            ticks += 1
        held = number, frame
    if held is not None and ticks / fps <= held[1].time + _TICK:
        yield held


def _until_broken(path: Path, problem: list[str]) -> Iterator[TimedFrame]:
    """The frames of a video; where it breaks off they end, and `problem` says why."""
    try:
        yield from read_timed_video(path)
    except MediaError as error:
        problem.append(str(error))


def _moves(path: Path) -> bool:
    """True where two frames can be decoded."""
    return len(list(islice(_until_broken(path, []), 2))) == 2


def _find_videos(folder: Path) -> tuple[list[Video], list[LeftOut]]:
    if not folder.exists():
        raise UserError(f"{folder}: there is nothing here; give the folder that holds the videos, or one video")
    videos: list[Video] = []
    left_out: list[LeftOut] = []
    for path in files_below(folder):
        ending = path.suffix.lower()
        if ending in NO_FILMS:
            continue
        name = path.name if path == folder else path.relative_to(folder).as_posix()
        try:
            videos.append(Video(path, name, estimate_frames(path), len(videos)))
        except MediaError as error:
            if ending in PICTURES:
                continue
            left_out.append(LeftOut(printable(name), str(error)))
            log.warning("left out: %s", left_out[-1])
    if not videos:
        why = f"; the first of {len(left_out)} other files: {left_out[0]}" if left_out else ""
        where = "no video" if folder.is_file() else "no video in it or below"
        raise UserError(f"{folder}: {where}{why}")
    return videos, left_out


def _read_table(cfg: VideoConfig, videos: list[Video]) -> ActionTable | None:
    if cfg.actions is None:
        folder = user_path(cfg.folder)
        folder = folder.parent if folder.is_file() else folder
        with_actions = sum(file_beside(folder, video.name) is not None for video in videos)
        if with_actions:
            log.warning(
                "%d of %d videos have a file of their name beside them; actions=%s reads it as their actions",
                with_actions,
                len(videos),
                folder,
            )
        return None
    return read_actions(user_path(cfg.actions), [video.name for video in videos], cfg.action_names)


def _check_counts(cfg: VideoConfig, videos: list[Video], table: ActionTable) -> tuple[list[Video], list[LeftOut]]:
    """The videos whose frames could be counted and fit their actions; decodes each once, before anything is written."""
    good, broken = [], []
    for video in videos:
        try:
            table.check(video.name, count_frames(video.path))
            good.append(video)
        except MediaError as error:
            broken.append(LeftOut(printable(video.name), str(error)))
            log.warning("left out: %s", broken[-1])
    if not good:
        raise UserError(f"{cfg.folder}: no video could be read; the first: {broken[0]}")
    return good, broken
