"""Reads the published folder format: a folder of games, each with info.json and its sessions of JPEG files or an mp4.

    <data set>/<leaf>/info.json
    <data set>/<leaf>/<instance>/<session>/actions.json        and frames/%06d.jpg, or frames.mp4

Entry k of actions.json says: the action applied at frame k-1 gives frame k. The frame before frame 0 was never stored,
so the action of entry 0 leads from nowhere and is dropped; its emulator variables belong to frame 0 and are kept.
Nothing here writes; what is damaged is named by `Damaged`, never repaired by guessing.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.interchange.decode import MediaError, read_image, read_video
from genieredux.episodes.schema import MOST_ACTIONS, Episode
from genieredux.runs.walk import is_stray

INFO = "info.json"
ACTIONS = "actions.json"
FRAMES = "frames"
FILM = "frames.mp4"

_NUMBER = re.compile(r"[0-9]{1,18}")
_FRAME = re.compile(r"[0-9]{6,9}\.jpg")
_FACTS = ("name", "version", "generator_version", "generator_config")  # of info.json, kept as they are

COINRUN_ACTIONS = ("NOOP", "RIGHT", "LEFT", "ACTION_JUMP", "RIGHT+ACTION_JUMP", "LEFT+ACTION_JUMP", "DOWN")
"""The seven actions of the original CoinRun, whose info.json names none. The published reader's permutation
[1,2,0,6,3,4,5] sorts them as right, left, nothing, down, jump, and the two jumps to a side."""


class Damaged(Exception):
    """A part of the data set cannot be read; the message says why, in a few words."""


@dataclass(frozen=True)
class Leaf:
    """One game's folder. steps_max: where the generator cut sessions, None where it does not say."""

    path: Path
    game: str
    console: str
    policy: str
    action_names: tuple[str, ...]
    steps_max: int | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def sessions(self) -> list["Session"]:
        """Its sessions, by instance and number; one per folder whose parents are numbered folders."""
        found = []
        for instance in _numbered(self.path):
            names = _numbered(instance)
            found += [Session(self, path, int(instance.name), k, len(names)) for k, path in enumerate(names)]
        return found


@dataclass(frozen=True)
class Session:
    """One episode's folder: number `number` of the `count` of its instance (level)."""

    leaf: Leaf
    path: Path
    instance: int
    number: int
    count: int

    @property
    def id(self) -> str:
        """The episode's id, the same at every conversion."""
        stem = re.sub(r"[^A-Za-z0-9._=+-]+", "_", self.leaf.path.name).lstrip("._=+-")[:120] or "published"
        return f"published-{stem}-i{self.instance:06d}-n{int(self.path.name):06d}"

    @property
    def where(self) -> str:
        """Leaf, instance and session, as a person finds it."""
        return f"{self.leaf.path.name}/{self.path.parent.name}/{self.path.name}"


def find_leaves(source: Path) -> list[Path]:
    """The folders of games in a published data set, or `source` itself where it is one; sorted, maybe none."""
    if (source / INFO).is_file():
        return [source]
    folders = source.iterdir() if source.is_dir() else ()
    return sorted(path for path in folders if not is_stray(path.name) and (path / INFO).is_file())


def read_leaf(path: Path) -> Leaf:
    """What info.json says of a game. Raises Damaged where it is no such file."""
    values = _read_json(path / INFO)
    try:
        info, generator = values["info"], values.get("generator_config", {})
        config = info.get("config") or {}
        game = re.sub(r"-v\d+$", "", str(info["game"]))
        steps = generator.get("n_steps_max")
        return Leaf(
            path=path,
            game=game,
            console=game.rsplit("-", 1)[1] if "-" in game else "unknown",
            policy=str(config.get("variant") or "unknown"),
            action_names=_action_names(info),
            steps_max=int(steps) if steps is not None else None,
            facts={key: values[key] for key in _FACTS if key in values},
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise Damaged(f"{INFO} is not that of a game ({type(error).__name__}: {error})") from error


def read_session(session: Session, split: str) -> Episode:
    """A session as an episode. Raises Damaged where a file lacks, is broken, or frames and actions do not fit."""
    actions, extras = _read_actions(session.path / ACTIONS, len(session.leaf.action_names))
    frames = _read_frames(session.path)
    due = num_actions(len(frames))
    if due != len(actions):
        raise Damaged(f"{len(frames)} frames with {len(actions)} actions between them, {due} are due")
    return Episode(
        frames=frames,
        actions=actions,
        rewards=np.zeros(len(actions), np.float32),
        terminated=False,
        truncated=session.leaf.steps_max is not None and len(frames) >= session.leaf.steps_max,
        info=_info_columns(extras, len(frames)),
        game=session.leaf.game,
        console=session.leaf.console,
        policy=session.leaf.policy,
        instance=session.instance,
        split=split,
        id=session.id,
    )


def _action_names(info: Mapping[str, Any]) -> tuple[str, ...]:
    space = info["action_space"]
    count = int(space[0] if isinstance(space, list) else space)
    if not 1 <= count <= MOST_ACTIONS:
        raise ValueError(f"action_space is {count}, it must be from 1 to {MOST_ACTIONS}")
    captions = info.get("action_captions")
    if captions:
        names = tuple("+".join(combo) if isinstance(combo, list) else str(combo) for combo in captions)
    elif count == len(COINRUN_ACTIONS) and "coinrun" in str(info["game"]).lower():
        names = COINRUN_ACTIONS
    else:
        names = tuple(f"ACTION_{k}" for k in range(count))
    if len(names) != count or len(set(names)) != count:
        raise ValueError(f"{len(set(names))} different action captions for an action space of {count}")
    return names


def _read_actions(path: Path, num_actions: int) -> tuple[np.ndarray, dict[int, Mapping[str, Any]]]:
    """Actions int64 (T-1,), action k between frames k and k+1; and the extras of each frame."""
    values = _read_json(path)
    entries = values.get("actions") if isinstance(values, dict) else values
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Damaged(f"{path.name} holds no list of actions")
    steps: dict[int, int] = {}
    extras: dict[int, Mapping[str, Any]] = {}
    for entry in entries:
        source, target = _frame_of(entry, "src", path), _frame_of(entry, "tgt", path)
        if target >= 0 and isinstance(entry.get("extras"), dict):
            extras[target] = entry["extras"]
        if source < 0 or target < 0:
            continue
        if target != source + 1 or source in steps:
            raise Damaged(f"{path.name} has an action from frame {source} to {target}, twice or not to the next")
        steps[source] = _index_of(entry.get("action"), num_actions, f"{path.name}: the action at frame {source}")
    missing = sorted(set(range(len(steps))) - set(steps))
    if missing:
        raise Damaged(f"{path.name} lacks the action at frame {missing[0]}")
    return np.array([steps[k] for k in range(len(steps))], np.int64), extras


def _frame_of(entry: Mapping[str, Any], end: str, path: Path) -> int:
    value = entry.get(f"{end}_id", entry.get(f"{end}_frame_id"))
    if not isinstance(value, int) or isinstance(value, bool):
        raise Damaged(f"{path.name} has an entry without {end}_id")
    return value


def _index_of(action: Any, num_actions: int, where: str) -> int:
    """A one-hot list of num_actions, or an index, as an index."""
    if isinstance(action, list):
        if len(action) != num_actions or sorted(action) != [0] * (num_actions - 1) + [1]:
            raise Damaged(f"{where} is {action}, not one of {num_actions}")
        return action.index(1)
    if isinstance(action, bool) or not isinstance(action, int) or not 0 <= action < num_actions:
        raise Damaged(f"{where} is {action!r}, not one of {num_actions}")
    return action


def _read_frames(folder: Path) -> np.ndarray:
    """uint8 (T, H, W, 3)."""
    try:
        if (folder / FRAMES).is_dir():
            names = [name for name in os.listdir(folder / FRAMES) if _FRAME.fullmatch(name)]
            frames = [read_image(folder / FRAMES / f"{k:06d}.jpg") for k in range(len(names))]
        elif (folder / FILM).is_file():
            frames = list(read_video(folder / FILM))
        else:
            raise Damaged(f"there is neither {FRAMES}/ nor {FILM}")
    except (MediaError, OSError) as error:
        raise Damaged(str(error)) from error
    sizes = {frame.shape[:2] for frame in frames}
    if not frames:
        raise Damaged("there is no frame")
    if len(sizes) > 1:
        raise Damaged("its frames have several sizes: " + ", ".join(f"{h}x{w}" for h, w in sorted(sizes)))
    return np.stack(frames)


def _info_columns(extras: Mapping[int, Mapping[str, Any]], length: int) -> dict[str, np.ndarray]:
    """Numbers per frame. A frame that lacks a variable has NaN, which makes the column float64; texts are left out."""
    columns = {}
    for key in sorted({str(key) for values in extras.values() for key in values}):
        column = [extras.get(k, {}).get(key) for k in range(length)]
        if all(value is None or isinstance(value, int | float) for value in column):
            columns[key] = _as_array(column)
    return columns


def _as_array(values: Sequence[Any]) -> np.ndarray:
    if all(isinstance(value, bool) for value in values):
        return np.array(values, np.bool_)
    if all(type(value) is int and abs(value) < 1 << 63 for value in values):
        return np.array(values, np.int64)
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)


def _numbered(folder: Path) -> list[Path]:
    """The folders in `folder` whose names are numbers, in their order; none where it cannot be listed."""
    try:
        paths = [path for path in folder.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []
    return sorted(paths, key=lambda path: int(path.name))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise Damaged(f"{path.name} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{path.name} is not readable ({error})") from error
