"""Reads who pressed what in a video: CSV or JSON, one file for all videos or one beside each. Knows no video.

The action at frame k leads to frame k+1. A CSV (or TSV) file has the columns `frame`, `action` and, where it speaks of
several videos, `video`, as any spreadsheet writes them; every frame from 0 on has its row.

A JSON file is a list of actions, `{"actions": [...]}`, or
`{"<video>": [...], ...}`, and may say `"action_names": [...]`. An action is a name, or an index into the names. A video
is named by its path in the folder, its file name, or that without the suffix.
"""

import codecs
import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.checking import nearest
from genieredux.envs.actions import CANONICAL
from genieredux.episodes.alignment import num_actions
from genieredux.episodes.schema import MOST_ACTIONS
from genieredux.errors import UserError

_TABLES = (".csv", ".tsv")
_COLUMNS = {
    "frame": ("frame", "frames", "frame_number", "frame_no", "frame_id", "frame_index"),
    "action": ("action", "actions", "action_id", "action_index", "action_name", "label", "key", "button"),
    "video": ("video", "videos", "video_name", "film", "file", "filename", "file_name", "path", "clip"),
}
"""What tables call their columns; in capitals or not, with spaces or underscores."""

_SHOWN_NAMES = 24

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
        files = {video: _needed(path, video) for video in videos}
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
    known = names or (told[0] if told else _guess_names(spoken, path))
    return ActionTable(known, {video: _indices(said, known, f"{path}: {video}") for video, said in spoken.items()})


def file_beside(folder: Path, video: str) -> Path | None:
    """The action file of a video's name in the folder, its ending in small or capital letters; None where none is."""
    endings = [form for suffix in (*_TABLES, ".json") for form in (suffix, suffix.upper())]
    return next((file for end in endings if (file := (folder / video).with_suffix(end)).is_file()), None)


def _needed(folder: Path, video: str) -> Path:
    file = file_beside(folder, video)
    if file is None:
        raise UserError(f"{folder}: no actions for {video}; give {Path(video).with_suffix('.csv')} or .json there")
    return file


def _read_file(path: Path, videos: Sequence[str]) -> tuple[dict[str, Spoken], tuple[str, ...]]:
    """(video -> what the file says, the action names it gives or none)."""
    try:
        if path.suffix.lower() in _TABLES:
            return _from_table(_text(path), videos, path), ()
        if path.suffix.lower() == ".json":
            return _from_json(json.loads(_text(path)), videos, path)
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"{path}: not readable ({error})") from error
    raise UserError(f"{path}: an action file ends in .csv, .tsv or .json")


def _text(path: Path) -> str:
    """The file's text in whichever encoding spreadsheets wrote it: UTF-8 or UTF-16 with its mark, else Windows-1252."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").removeprefix("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _from_table(text: str, videos: Sequence[str], path: Path) -> dict[str, Spoken]:
    """Rows of frame, action and maybe video: separated by commas, semicolons or tabs, as the first line shows."""
    lines = text.splitlines()
    if lines and lines[0].lower().startswith("sep="):  # the line by which Excel is told the separator
        lines = lines[1:]
    lines = lines[next((k for k, line in enumerate(lines) if line.strip()), 0) :]
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    names = [_column(name) for name in rows[0]] if rows else []
    if "frame" not in names or "action" not in names:
        raise UserError(f"{path}: its first line must name the columns frame, action, and video if there are several")
    said: dict[str, dict[int, int | str]] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
        if not any(cells.values()):
            continue  # spreadsheets write empty lines below a table
        where = f"{path} line {number}"
        video = _match(cells.get("video"), videos, path) if "video" in names else _only(videos, path)
        frame, action = _value(cells.get("frame", "")), cells.get("action", "")
        if not isinstance(frame, int):
            raise UserError(f"{where}: frame is {frame!r}, give a whole number")
        if frame in said.setdefault(video, {}) or not action:
            raise UserError(f"{where}: frame {frame} of {video} twice, or without an action")
        said[video][frame] = _value(action)
    for video, actions in said.items():
        missing = next((k for k in range(len(actions)) if k not in actions), None)
        if missing is not None:
            raise UserError(f"{path}: {video} has no action at frame {missing}; every frame from 0 on needs a line")
    return {video: [actions[k] for k in range(len(actions))] for video, actions in said.items()}


def _column(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return next((column for column, names in _COLUMNS.items() if plain in names), plain)


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
    """An index, also written as spreadsheets do (`3.0`, `3,0`, `1E+00`), else the text: the name of an action."""
    text = text.strip()
    if not re.fullmatch(r"[+-]?\d{1,20}([.,]\d{0,20})?([eE][+-]?\d{1,2})?", text, re.ASCII):
        return text
    number = float(text.replace(",", "."))
    return int(number) if number.is_integer() else text


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
    raise UserError(
        f"{path}: there is no video '{wanted}' (or several are called so); nearest: {nearest(wanted, videos)}"
    )


def _guess_names(spoken: Mapping[str, Spoken], path: Path) -> tuple[str, ...]:
    values = {value for said in spoken.values() for value in said}
    texts = sorted(value for value in values if isinstance(value, str))
    if texts:
        return CANONICAL if set(texts) <= set(CANONICAL) else tuple(texts)
    most = max((value for value in values if isinstance(value, int)), default=0)
    if most >= MOST_ACTIONS:
        raise UserError(f"{path}: an action is {most}; indices of actions must be below {MOST_ACTIONS}")
    return tuple(f"ACTION_{k}" for k in range(most + 1))


def _indices(said: Spoken, names: Sequence[str], where: str) -> np.ndarray:
    places = {name: k for k, name in enumerate(names)}
    out = np.empty(len(said), np.int64)
    for k, value in enumerate(said):
        index = value if isinstance(value, int) else places.get(value, -1)
        if not 0 <= index < len(names):
            known = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
            raise UserError(f"{where}: the action at frame {k} is {value!r}; the actions are {known}")
        out[k] = index
    return out
