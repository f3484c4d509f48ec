"""The files of a token cache: what a shard's rows are, and the marker that says which shards make up a
finished cache.

Knows no frame and no tokenizer. Columns of a shard, a row per episode: `episode` (id), `checksum` (of the
episode's content), `length` (T), `tokens` (T*h*w ids, frame by frame, row by row), `actions` (T-1 indices).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.schema import UNKNOWN_ACTION
from genieredux.errors import UserError, reason
from genieredux.runs.files import write_new, write_text

CACHE_VERSION = 1
TOKENS_FOLDER = "tokens"
MARKER = "complete.json"
_META_KEY = b"genieredux.tokens"
_MOST_TOKENS = 1 << 16  # of a frame
_MOST_CLIP_FRAMES = 1 << 20
_SHARD_PATTERN = re.compile(r"shard-(\d{5,})\.parquet")


@dataclass(frozen=True)
class TokenCacheSpec:
    """What all shards of a cache share. clip_frames: frames the tokenizer saw at once. grid: (h, w) tokens a
    frame.
    """

    tokenizer_id: str
    clip_frames: int
    grid: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "cache_version": CACHE_VERSION,
            "tokenizer_id": self.tokenizer_id,
            "clip_frames": self.clip_frames,
            "grid": list(self.grid),
        }

    @classmethod
    def from_json(cls, values: Any, where: str) -> "TokenCacheSpec":
        """The inverse of `to_json`. Raises UserError for another version or damage, naming `where`."""
        try:
            if values["cache_version"] != CACHE_VERSION:
                raise UserError(
                    f"{where}: token cache version {values['cache_version']}, this program reads "
                    f"{CACHE_VERSION}; "
                    "delete the folder and build the cache again"
                )
            rows, columns = (int(size) for size in values["grid"])
            tokenizer_id, clip_frames = str(values["tokenizer_id"]), int(values["clip_frames"])
            if min(rows, columns) < 1 or rows * columns > _MOST_TOKENS or not 1 <= clip_frames <= _MOST_CLIP_FRAMES:
                raise ValueError(f"grid {rows}x{columns} of clips of {clip_frames} frames cannot be")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise damaged(where, error) from error
        check_tokenizer_id(tokenizer_id)
        return cls(tokenizer_id, clip_frames, (rows, columns))


@dataclass(frozen=True, eq=False)
class TokenizedEpisode:
    """One row of a shard. tokens: int16 or int32 (T, h, w). actions: int64 (T-1,). checksum: of the episode
    they were made from.
    """

    id: str
    checksum: str
    tokens: np.ndarray
    actions: np.ndarray


def check_tokenizer_id(tokenizer_id: str) -> None:
    """Raises UserError unless the id can be a folder name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=+-]{0,119}", tokenizer_id):
        raise UserError(f"tokenizer id '{tokenizer_id}': use 1-120 letters, digits and ._=+-, starting with one")


def shard_names(folder: Path) -> list[str]:
    """The shards in a local folder, sorted; files being written are not among them."""
    return sorted(path.name for path in folder.iterdir() if _SHARD_PATTERN.fullmatch(path.name))


def next_shard_name(folder: Path) -> str:
    """A name that no shard in the folder has."""
    numbers = [int(match[1]) for name in shard_names(folder) if (match := _SHARD_PATTERN.fullmatch(name))]
    return f"shard-{max(numbers, default=-1) + 1:05d}.parquet"


def write_shard(path: Path, spec: TokenCacheSpec, episodes: Sequence[TokenizedEpisode]) -> None:
    """Writes a shard, whole or not at all. Raises UserError where the disk is full."""
    wide = any(episode.tokens.dtype != np.int16 for episode in episodes)
    table = pa.table(
        {
            "episode": pa.array([episode.id for episode in episodes], pa.string()),
            "checksum": pa.array([episode.checksum for episode in episodes], pa.string()),
            "length": pa.array([len(episode.tokens) for episode in episodes], pa.int32()),
            "tokens": _lists([e.tokens for e in episodes], np.int32 if wide else np.int16),
            "actions": _lists([e.actions for e in episodes], np.int16),
        }
    ).replace_schema_metadata({_META_KEY: json.dumps(spec.to_json()).encode()})
    write_new(
        path,
        lambda file: pq.write_table(table, file, compression="zstd", use_dictionary=False, write_statistics=False),
    )


def read_checksums(path: Path) -> tuple[TokenCacheSpec, dict[str, str]]:
    """Which episodes a local shard holds: id -> checksum. Raises UserError naming the shard where it is
    damaged.
    """
    try:
        table = pq.read_table(path, columns=["episode", "checksum"])
        spec = TokenCacheSpec.from_json(json.loads(table.schema.metadata[_META_KEY]), str(path))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(str(path), error) from error
    return spec, dict(zip(table["episode"].to_pylist(), table["checksum"].to_pylist(), strict=True))


def read_shard(fs: fsspec.AbstractFileSystem, path: str, spec: TokenCacheSpec) -> list[TokenizedEpisode]:
    """All rows of a shard. Raises UserError naming it where it is missing, damaged or another tokenizer's."""
    try:
        with fs.open(path, "rb") as handle:
            table = pq.read_table(handle)
        found = TokenCacheSpec.from_json(json.loads(table.schema.metadata[_META_KEY]), path)
        tokens, actions = table["tokens"].combine_chunks(), table["actions"].combine_chunks()
        flat, moves = _flat(tokens), _flat(actions)
        ends, move_ends = _ends(tokens), _ends(actions)
        rows = zip(table["episode"].to_pylist(), table["checksum"].to_pylist(), strict=True)
        episodes = [
            TokenizedEpisode(
                episode_id,
                check,
                flat[ends[i] : ends[i + 1]].reshape(-1, *spec.grid),
                moves[move_ends[i] : move_ends[i + 1]],
            )
            for i, (episode_id, check) in enumerate(rows)
        ]
        for episode in episodes:
            _check_row(episode)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(path, error) from error
    if found != spec:
        raise UserError(f"{path}: made by {found}, wanted {spec}; delete the folder and build the cache again")
    return episodes


def write_marker(folder: Path, spec: TokenCacheSpec, shards: Sequence[str], frames: int) -> None:
    """Says that the cache is finished and which shards it is made of."""
    values = spec.to_json() | {"shards": list(shards), "frames": frames}
    write_text(folder / MARKER, json.dumps(values, indent=2) + "\n")


def read_marker(fs: fsspec.AbstractFileSystem, root: str) -> tuple[TokenCacheSpec, list[str]]:
    """The spec and the shards of a finished cache. Raises UserError where there is none, or it is damaged."""
    path = f"{root}/{MARKER}"
    try:
        values = json.loads(fs.cat_file(path))
        shards = [str(name) for name in values["shards"]]
        for name in shards:
            if not _SHARD_PATTERN.fullmatch(name):
                raise ValueError(f"a shard is called {name!r:.80}")
        return TokenCacheSpec.from_json(values, path), shards
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{root}: no finished token cache ({MARKER} is missing); build it, an interrupted build goes on"
        ) from error
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def damaged(path: str, error: Exception) -> UserError:
    """The error of a file of the cache that cannot be read."""
    return UserError(f"{path}: truncated or damaged ({reason(error)}); delete it and build the token cache again")


def _check_row(episode: TokenizedEpisode) -> None:
    """Raises ValueError where a row is not that of an episode."""
    tokens, actions = episode.tokens, episode.actions
    if not isinstance(episode.id, str) or not isinstance(episode.checksum, str):
        raise ValueError("an episode has no id or no checksum")
    if tokens.dtype not in (np.int16, np.int32) or actions.dtype.kind != "i":
        raise ValueError(f"tokens are {tokens.dtype} and actions {actions.dtype} in episode {episode.id}")
    if len(tokens) < 1 or len(actions) != num_actions(len(tokens)):
        raise ValueError(f"{len(tokens)} frames and {len(actions)} actions in episode {episode.id}")
    if tokens.min() < 0 or (len(actions) and actions.min() < UNKNOWN_ACTION):
        raise ValueError(f"a token or an action is below zero in episode {episode.id}")


def _lists(arrays: Sequence[np.ndarray], dtype: type) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum([array.size for array in arrays])])
    flat: np.ndarray = np.concatenate([array.ravel() for array in arrays]).astype(dtype)
    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(flat))


def _flat(lists: pa.LargeListArray) -> np.ndarray:
    return lists.flatten().to_numpy(zero_copy_only=False)


def _ends(lists: pa.LargeListArray) -> np.ndarray:
    offsets = lists.offsets.to_numpy()
    return offsets - offsets[0]
