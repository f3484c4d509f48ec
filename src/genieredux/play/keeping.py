"""What a person takes home: films and pictures, and episodes of a data set that can be trained on. Knows frames and
files; no world, no browser.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genieredux.episodes import DatasetSpec, DatasetWriter, Track
from genieredux.errors import UserError
from genieredux.pictures.encoding import write_loop, write_png

KINDS = {"png": "image/png", "gif": "image/gif", "mp4": "video/mp4"}
SIDE = 256
"""Pixels at least of what is saved, made by repeating those of the frame."""
EPISODE_FRAMES = 1000
"""A recording is cut into episodes of so many frames, so that it needs no more memory however long one plays."""
MOST_FRAMES = 200_000
"""Frames that one run of the program records, over all its visitors: about 1 GB."""


def film(frames: Sequence[np.ndarray], kind: str, fps: float) -> bytes:
    """Frames uint8 (S, S, 3) as a file: png (the last one), gif or mp4."""
    scale = max(1, -(-SIDE // frames[-1].shape[0]))
    with tempfile.TemporaryDirectory(prefix="genieredux-film-") as folder:
        path = Path(folder) / f"film.{kind}"
        if kind == "png":
            write_png(path, _larger(frames[-1][None], scale)[0])
        else:
            write_loop(path, _larger(np.stack(frames), scale), fps, hold_s=0)
        return path.read_bytes()


def _larger(frames: np.ndarray, scale: int) -> np.ndarray:
    """(T, H, W, 3) -> (T, scale H, scale W, 3), every pixel a square."""
    return frames.repeat(scale, 1).repeat(scale, 2)


class Budget:
    """Frames that may still be recorded."""

    def __init__(self, frames: int = MOST_FRAMES) -> None:
        self.left = frames


class Recorder:
    """Stores what is played into a data set, an episode at a time."""

    def __init__(self, folder: Path, spec: DatasetSpec, budget: Budget, game: str, console: str, level: int) -> None:
        """folder: of data sets. Raises UserError where a data set of that name holds something else."""
        self.path = folder / spec.name
        self._spec, self._budget = spec, budget
        self._labels = {"game": game, "console": console, "instance": level}
        self._track: Track | None = None
        self._players: set[str] = set()
        self.frames = self.episodes = 0
        with DatasetWriter(self.path, spec):
            pass

    def begin(self, frame: np.ndarray) -> None:
        """An episode begins with this frame; the one before is stored."""
        self.end()
        self._track = Track(frame)

    def step(self, action: int, reward: float, frame: np.ndarray, by: str, terminated: bool = False) -> None:
        """`action` led to `frame`. by: who took it. Raises UserError where too much is recorded."""
        if self._track is None:
            return
        if self._budget.left <= 0:
            self.end()
            raise UserError(f"{MOST_FRAMES:,} frames were recorded; start the program again to record more")
        self._budget.left -= 1
        self.frames += 1
        self._players.add(by)
        self._track.step(action, reward, frame)
        if terminated or len(self._track) >= EPISODE_FRAMES:
            self.end(terminated)
            self._track = None if terminated else Track(frame)

    def end(self, terminated: bool = False) -> None:
        """Store the episode so far, if anything happened in it."""
        track, self._track = self._track, None
        if track is None or len(track) < 2:
            return
        players = "+".join(sorted(self._players))
        self._players = set()
        episode = track.episode(terminated, not terminated, policy=players, split="train", **self._labels)
        with DatasetWriter(self.path, self._spec) as writer:
            writer.append(episode)
        self.episodes += 1
