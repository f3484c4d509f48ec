"""Reads who pressed what in a video: CSV or JSON, one file for all videos or one beside each. Knows no video.

The action at frame k leads to frame k+1. A CSV file has the columns `frame`, `action` and, where it speaks of several
videos, `video`; every frame from 0 on has its row. A JSON file is a list of actions, `{"actions": [...]}`, or
`{"<video>": [...], ...}`, and may say `"action_names": [...]`. An action is a name, or an index into the names. A video
is named by its path in the folder, its file name, or that without the suffix.
"""

import csv
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.envs.actions import CANONICAL
from genieredux.episodes.alignment import num_actions
from genieredux.errors import UserError

Spoken = list[int | str]  # actions as a file says them: indices or names


@dataclass(frozen=True, eq=False)
class ActionTable:
    """names: of the actions. actions: video -> int64 (n,), indices into names."""

    names: tuple[str, ...]
    actions: Mapping[str, np.ndarray]

    def check(self, video: str, num_frames: int) -> None:
        """Raises UserError unless the video's actions fit `num_frames` frames: one less, or as many."""
        count, due = len(self.actions[video]), num_actions(num_frames)
        if count not in (due, num_frames):
            raise UserError(
                f"{video}: {count} actions for {num_frames} frames; the action at frame k leads to frame k+1, so give "
                f"{due} (or {num_frames}: the last is not used)"
            )


def read_actions(path: Path, videos: Sequence[str], names: tuple[str, ...] | None = None) -> ActionTable:
    """The actions of all `videos` (paths in their folder), from a file or from a folder with a file for each.

    names: what indices mean and which names there may be; None: what the files say, else the canonical platformer
    actions where all belong to them, else those that occur, sorted; for indices ACTION_0, ACTION_1, ... Raises
    UserError where a video has no actions, a file is damaged, speaks of an unknown video, skips a frame or names an
    unknown action.
    """
    if path.is_dir():
        files = {video: _file_beside(path, video) for video in videos}
        parts = {video: _read_file(file, [video]) for video, file in files.items()}
        spoken = {video: said.get(video, []) for video, (said, _) in parts.items()}
        told = [told for _, told in parts.values() if told]
    elif path.is_file():
        spoken, found = _read_file(path, videos)
        told = [found] if found else []
    else:
        raise UserError(f"actions={path}: no such file or folder; give a CSV or JSON file, or the folder that has them")
    lacking = [video for video in videos if video not in spoken]
    if lacking:
        raise UserError(
            f"{path}: no actions for {lacking[0]} ({len(lacking)} videos lack them); every video needs them"
        )
    if any(other != told[0] for other in told):
        raise UserError(f"{path}: the files name different actions ({told[0]} and others); make them the same")
    known = names or (told[0] if told else _guess_names(spoken))
    return ActionTable(known, {video: _indices(said, known, f"{path}: {video}") for video, said in spoken.items()})


def _file_beside(folder: Path, video: str) -> Path:
    for suffix in (".csv", ".json"):
        file = (folder / video).with_suffix(suffix)
        if file.is_file():
            return file
    raise UserError(f"{folder}: no actions for {video}; give {Path(video).with_suffix('.csv')} or .json there")


def _read_file(path: Path, videos: Sequence[str]) -> tuple[dict[str, Spoken], tuple[str, ...]]:
    """(video -> what the file says, the action names it gives or none)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return _from_csv(text, videos, path), ()
        if path.suffix.lower() == ".json":
            return _from_json(json.loads(text), videos, path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({error})") from error
    raise UserError(f"{path}: an action file ends in .csv or .json")


def _from_csv(text: str, videos: Sequence[str], path: Path) -> dict[str, Spoken]:
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    columns = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = columns
    if "frame" not in columns or "action" not in columns:
        raise UserError(f"{path}: its first line must name the columns frame, action, and video if there are several")
    said: dict[str, dict[int, int | str]] = {}
    for line, row in enumerate(reader, start=2):
        video = _match(row["video"], videos, path) if "video" in columns else _only(videos, path)
        try:
            frame = int(row["frame"])
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} line {line}: frame is {row['frame']!r}, give a whole number") from error
        if frame in said.setdefault(video, {}) or not row["action"]:
            raise UserError(f"{path} line {line}: frame {frame} of {video} twice, or without an action")
        said[video][frame] = _value(row["action"].strip())
    for video, actions in said.items():
        missing = sorted(set(range(len(actions))) - set(actions))
        if missing:
            raise UserError(f"{path}: {video} has no action at frame {missing[0]}; every frame from 0 on needs a line")
    return {video: [actions[k] for k in range(len(actions))] for video, actions in said.items()}


def _from_json(values: Any, videos: Sequence[str], path: Path) -> tuple[dict[str, Spoken], tuple[str, ...]]:
    names: tuple[str, ...] = ()
    if isinstance(values, dict):
        names = tuple(str(name) for name in values.get("action_names") or ())
        if isinstance(values.get("actions"), list):
            values = values["actions"]
        else:
            lists = {key: said for key, said in values.items() if isinstance(said, list) and key != "action_names"}
            return {_match(key, videos, path): _plain(said, path) for key, said in lists.items()}, names
    if not isinstance(values, list):
        raise UserError(f'{path}: give a list of actions, {{"actions": [...]}} or {{"<video>": [...]}}')
    return {_only(videos, path): _plain(values, path)}, names


def _plain(values: list[Any], path: Path) -> Spoken:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise UserError(f"{path}: an action is {value!r}, give names or indices")
    return [_value(value) if isinstance(value, str) else value for value in values]


def _value(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdecimal() else text


def _only(videos: Sequence[str], path: Path) -> str:
    if len(videos) != 1:
        raise UserError(f"{path}: does not say which of the {len(videos)} videos its actions belong to; name the video")
    return videos[0]


def _match(said: str | None, videos: Sequence[str], path: Path) -> str:
    """The video that a file means."""
    wanted = (said or "").strip().replace("\\", "/")
    for form in (lambda v: v, lambda v: str(Path(v).with_suffix("")), lambda v: Path(v).name, lambda v: Path(v).stem):
        found = [video for video in videos if form(video) == wanted]
        if len(found) == 1:
            return found[0]
    near = difflib.get_close_matches(wanted, videos, n=1, cutoff=0.0)
    raise UserError(f"{path}: there is no video '{wanted}' (or several are called so); nearest: {near[0]}")


def _guess_names(spoken: Mapping[str, Spoken]) -> tuple[str, ...]:
    values = {value for said in spoken.values() for value in said}
    texts = sorted(value for value in values if isinstance(value, str))
    if texts:
        return CANONICAL if set(texts) <= set(CANONICAL) else tuple(texts)
    return tuple(f"ACTION_{k}" for k in range(max((v for v in values if isinstance(v, int)), default=0) + 1))


def _indices(said: Spoken, names: Sequence[str], where: str) -> np.ndarray:
    places = {name: k for k, name in enumerate(names)}
    out = np.empty(len(said), np.int64)
    for k, value in enumerate(said):
        index = value if isinstance(value, int) else places.get(value, -1)
        if not 0 <= index < len(names):
            raise UserError(f"{where}: the action at frame {k} is {value!r}; the actions are {', '.join(names)}")
        out[k] = index
    return out
