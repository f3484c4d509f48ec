"""What an episode and a data set are, before any file: two frozen records and their checks.

This file knows no Parquet, no folder and no game. Everything that leaves it is well formed: an `Episode` that
exists has matching lengths and dtypes, a `DatasetSpec` that exists has a schema version this program can
read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genieredux.checking import within
from genieredux.config import field_names, from_plain
from genieredux.episodes.alignment import check_alignment
from genieredux.errors import UserError
from genieredux.runs.places import check_inside

SCHEMA_VERSION = 1
"""Version of the files on disk. It grows when an older reader could no longer read what a newer writer wrote.
"""

FORMAT_NAME = "genieredux-episodes"
BLOCK_FRAMES = 16
"""Frames per row of an episode file: one row is one compressed block, the unit of random access."""

SHARD_PREFIX = "shard-"
"""How the names of merged files begin; no episode may be called so."""

UNKNOWN_ACTION = -1
"""What stands for an action nobody recorded: all actions of a data set without action names are this."""

MOST_ACTIONS = 32_767
"""As many as a file's 16-bit indices tell apart."""

MOST_SIDE = 4096
"""Pixels of a frame's side; larger frames are no description of a game but damage."""

LABELS = ("game", "console", "tags", "policy", "seed", "instance", "split", "terminated", "truncated")
"""Fields of an episode that say something of all of it."""

_ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,179}")


@dataclass(frozen=True, eq=False)
class Episode:
    """One finished episode of one game, first frame included.

    frames: uint8 (T, H, W, 3), T >= 1. actions: int64 (T-1,), index into the data set's action names;
    `actions[k]` is taken at `frames[k]` and leads to `frames[k+1]`; all are UNKNOWN_ACTION in a data set without
    actions. rewards: float32 (T-1,), what
    `actions[k]` earned. info: per frame ground truth, each array (T,) of bool, integers or floats. instance:
    the level. seed: what the environment was seeded with. id: empty lets the writer choose one. Raises
    UserError where an array has another shape or dtype.
    """

    frames: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    info: Mapping[str, np.ndarray] = field(default_factory=dict)
    game: str = "unknown"
    console: str = "unknown"
    tags: tuple[str, ...] = ()
    policy: str = "unknown"
    seed: int = 0
    instance: int = 0
    split: str = "train"
    id: str = ""

    def __post_init__(self) -> None:
        where = f"episode of {self.game}"
        if self.frames.dtype != np.uint8 or self.frames.ndim != 4 or self.frames.shape[-1] != 3:
            raise UserError(f"{where}: frames are {self.frames.dtype} {self.frames.shape}, give uint8 (T, H, W, 3)")
        for name, array, dtype in (
            ("actions", self.actions, np.int64),
            ("rewards", self.rewards, np.float32),
        ):
            if array.dtype != dtype or array.ndim != 1:
                raise UserError(f"{where}: {name} are {array.dtype} {array.shape}, give {np.dtype(dtype)} (T-1,)")
            check_alignment(len(self.frames), len(array), f"{where}: {name}")
        if not np.isfinite(self.rewards).all():
            raise UserError(f"{where}: a reward is infinite or not a number")
        for key, values in self.info.items():
            if values.ndim != 1 or len(values) != len(self.frames) or not _is_plain_number(values.dtype):
                raise UserError(
                    f"{where}: info '{key}' is {values.dtype} {values.shape}, give numbers ({len(self.frames)},)"
                )
        if not self.split or not self.game:
            raise UserError(f"{where}: game and split must not be empty")
        if self.id:
            check_episode_id(self.id)

    def __len__(self) -> int:
        """Number of frames T."""
        return len(self.frames)

    def __repr__(self) -> str:
        end = "terminated" if self.terminated else "truncated" if self.truncated else "cut"
        return (
            f"Episode({self.id or 'no id'}: {self.game} {self.split}, {len(self)} frames "
            f"{self.frames.shape[1]}x{self.frames.shape[2]}, return {float(self.rewards.sum()):g}, {end})"
        )

    @property
    def labels(self) -> dict[str, Any]:
        """What is said of the episode as a whole, as plain values; the names are those of `LABELS`."""
        kinds = {"tags": list, "seed": int, "instance": int, "terminated": bool, "truncated": bool}
        return {name: kinds.get(name, str)(getattr(self, name)) for name in LABELS}

    def same_as(self, other: "Episode") -> bool:
        """True where both hold the same bytes and the same facts (NaN equals NaN)."""
        arrays = ("frames", "actions", "rewards")
        return (
            all(_same_array(getattr(self, name), getattr(other, name)) for name in arrays)
            and (self.id, self.labels) == (other.id, other.labels)
            and self.info.keys() == other.info.keys()
            and all(_same_array(values, other.info[key]) for key, values in self.info.items())
        )


@dataclass(frozen=True)
class DatasetSpec:
    """What all episodes of a data set share; stored as dataset.json.

    image_size: frames are (image_size, image_size, 3). action_names: what the action indices mean; none where
    nobody recorded the actions (videos): tokenizers and models with latent actions learn from it all the same.
    created_by: who made it and how (config, seed, versions), plain values only. Raises UserError for a
    version this program cannot read or values out of range.
    """

    name: str
    image_size: int
    action_names: tuple[str, ...]
    created_by: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise UserError(
                f"data set '{self.name}': schema version {self.schema_version}, this program reads "
                f"{SCHEMA_VERSION}; "
                "use the version of genieredux that wrote it, or collect it again"
            )
        within(f"data set '{self.name}': image_size", self.image_size, 1, MOST_SIDE)
        if len(set(self.action_names)) != len(self.action_names):
            raise UserError(f"data set '{self.name}': action_names must be distinct")
        if len(self.action_names) > MOST_ACTIONS:
            raise UserError(f"data set '{self.name}': {len(self.action_names)} actions, at most {MOST_ACTIONS}")

    @property
    def has_actions(self) -> bool:
        """False where the data set holds frames alone."""
        return bool(self.action_names)

    def require_actions(self, purpose: str) -> None:
        """Raises UserError where there are none; `purpose` names what needs them."""
        if not self.has_actions:
            raise UserError(
                f"data set '{self.name}' has no actions, and {purpose} learns from true ones; train a model with "
                "latent actions on it, or import its videos again with actions=FILE"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values for dataset.json."""
        return {
            "format": FORMAT_NAME,
            "schema_version": self.schema_version,
            "name": self.name,
            "image_size": self.image_size,
            "action_names": list(self.action_names),
            "block_frames": BLOCK_FRAMES,
            "created_by": dict(self.created_by),
        }

    @classmethod
    def from_json(cls, values: Any, where: str) -> "DatasetSpec":
        """The inverse of `to_json`; `where` names the file in errors."""
        if not isinstance(values, dict) or values.get("format") != FORMAT_NAME:
            raise UserError(f"{where}: not a {FORMAT_NAME} description; point to a folder that `generate` made")
        version = values.get("schema_version")
        if version != SCHEMA_VERSION:
            raise UserError(
                f"{where}: schema version {version}, this program reads {SCHEMA_VERSION}; use the version of "
                "genieredux that wrote it, or collect the data set again"
            )
        if values.get("block_frames") != BLOCK_FRAMES:
            raise UserError(f"{where}: block_frames is {values.get('block_frames')}, version 1 has {BLOCK_FRAMES}")
        try:
            facts = from_plain(_Facts, {key: values[key] for key in field_names(_Facts) if key in values}, "")
            check_inside(facts.name, "name")
            made_by = dict(values.get("created_by") or {})  # as it is written: a text stays one, "1" too
            return cls(facts.name, facts.image_size, facts.action_names, made_by)
        except UserError as error:
            raise UserError(f"{where}: damaged description ({error}); restore it or collect again") from error

    def check_episode(self, episode: Episode) -> None:
        """Raises UserError where an episode does not belong into this data set (frame size, action range)."""
        height, width = episode.frames.shape[1:3]
        if (height, width) != (self.image_size, self.image_size):
            raise UserError(
                f"data set '{self.name}': frames are {height}x{width}, the data set has "
                f"{self.image_size}x{self.image_size}"
            )
        if len(episode) == 0:
            raise UserError(f"data set '{self.name}': an episode without frames cannot be stored")
        actions = episode.actions
        if not self.has_actions:
            if np.any(actions != UNKNOWN_ACTION):
                raise UserError(
                    f"data set '{self.name}': has no actions, so each must be {UNKNOWN_ACTION}; the episode has "
                    f"{actions.min()}..{actions.max()}"
                )
        elif len(actions) and not (actions.min() >= 0 and actions.max() < len(self.action_names)):
            raise UserError(
                f"data set '{self.name}': actions {actions.min()}..{actions.max()} do not fit "
                f"{len(self.action_names)} action names"
            )

    def check_meta(self, shape: tuple[int, ...], num_actions: int) -> None:
        """As `check_episode`, from an episode's facts alone: the frames' (H, W, 3) and how many actions it counts."""
        if shape != (self.image_size, self.image_size, 3) or num_actions != len(self.action_names):
            raise UserError(
                f"data set '{self.name}': frames of {shape} and {num_actions} actions do not fit "
                f"{self.image_size}x{self.image_size} and {len(self.action_names)} action names"
            )

    def check_same_kind(self, other: "DatasetSpec", where: str) -> None:
        """Raises UserError where a data set that already exists cannot take episodes of this one."""
        facts = [{name: getattr(spec, name) for name in ("image_size", "action_names")} for spec in (self, other)]
        check_continues(where, *facts)


def check_continues(where: object, made_with: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises UserError where a data set that exists was made with other values than are `wanted` to continue it."""
    for key, value in wanted.items():
        if made_with.get(key) != value:
            raise UserError(
                f"{where}: exists with {key}={made_with.get(key)}, cannot continue with {key}={value}; choose another "
                "name, or remove it"
            )


@dataclass(frozen=True)
class _Facts:
    """What dataset.json must say."""

    name: str
    image_size: int
    action_names: tuple[str, ...]
    created_by: Mapping[str, Any] = field(default_factory=dict)


def is_episode_id(value: object) -> bool:
    """Whether it can be an episode's id, and so a file's name everywhere."""
    return isinstance(value, str) and bool(_ID_PATTERN.fullmatch(value)) and not value.startswith(SHARD_PREFIX)


def check_episode_id(episode_id: str) -> None:
    """Raises UserError unless the id can be a file name everywhere: letters, digits and ._=+- only."""
    if not is_episode_id(episode_id):
        raise UserError(
            f"episode id '{episode_id}': use 1-180 letters, digits and ._=+-, beginning with a letter or "
            "digit and "
            f"not with '{SHARD_PREFIX}'"
        )


def make_episode_id(episode: Episode, number: int) -> str:
    """A readable id that does not depend on when or by whom the episode was played, e.g.
    coinrun-train-random-s0-i17-n000000.
    """
    words = f"{episode.game}-{episode.split}-{episode.policy}"
    slug = re.sub(r"[^A-Za-z0-9._=+-]+", "_", words.lower()).lstrip("._=+-")[:120]
    slug = f"episode-{slug}" if not slug or slug.startswith(SHARD_PREFIX) else slug
    return f"{slug}-s{episode.seed}-i{episode.instance}-n{number:06d}"


def _same_array(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def _is_plain_number(dtype: np.dtype) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8
