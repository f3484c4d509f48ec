"""The numbers of every clip, before any average: what tables are made from and what two evaluations are compared by.

`clips.parquet` holds a row per clip, with lists by horizon; `clips.csv` a row per predicted frame. It knows no world.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genieredux.errors import UserError
from genieredux.evaluation.clips import Origin
from genieredux.evaluation.tables import to_csv
from genieredux.runs.files import write_atomically, write_text

_ABOUT = {
    **{"set": pa.string(), "clip": pa.int64(), "episode": pa.string(), "start": pa.int64(), "game": pa.string()},
    **{"console": pa.string(), "tags": pa.list_(pa.string()), "policy": pa.string(), "hash": pa.string()},
}
_NOT_METRICS = (*_ABOUT, "action")
_CSV_ABOUT = ("set", "clip", "episode", "start", "game", "console", "tags", "policy", "horizon", "action")


@dataclass(frozen=True)
class ClipNumbers:
    """Of N clips of a test set, H frames each.

    origins, hashes: (N,) where each is from, and a digest of its content. actions: int64 (N, H), the one that leads to
    each frame. values: metric -> row -> float (N, H); psnr in dB, at most 60; delta_psnr by definition, NaN at
    horizons where it was not measured; entropy in nats. relative: metric -> the row whose sum its means are divided by.
    """

    origins: tuple[Origin, ...]
    hashes: tuple[str, ...]
    actions: np.ndarray
    values: Mapping[str, Mapping[str, np.ndarray]]
    relative: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def episodes(self) -> np.ndarray:
        """(N,) a number for each episode."""
        return np.unique([origin.episode for origin in self.origins], return_inverse=True)[1]

    def take(self, rows: np.ndarray) -> "ClipNumbers":
        """These clips, in this order."""
        return ClipNumbers(
            tuple(self.origins[row] for row in rows),
            tuple(self.hashes[row] for row in rows),
            self.actions[rows],
            {metric: {row: of[rows] for row, of in by_row.items()} for metric, by_row in self.values.items()},
            self.relative,
        )


def write_parquet(path: Path, sets: Mapping[str, ClipNumbers], action_names: tuple[str, ...]) -> Path:
    """A row per clip; columns `<metric>.<row>` are lists by horizon. Whole or not at all."""
    tables = [pa.Table.from_pydict(_columns(name, numbers)) for name, numbers in sets.items()]
    table = pa.concat_tables(tables, promote_options="default")
    relative = {metric: row for numbers in sets.values() for metric, row in numbers.relative.items()}
    table = table.replace_schema_metadata({"action_names": "\n".join(action_names), "relative": json.dumps(relative)})
    return write_atomically(path, lambda file: pq.write_table(table, file, compression="zstd"))


def read_parquet(path: Path) -> dict[str, ClipNumbers]:
    """What `write_parquet` wrote, by test set. Raises UserError where there is none, or it is damaged."""
    try:
        table = pq.read_table(path)
        found = {}
        for name in dict.fromkeys(table["set"].to_pylist()):
            part = table.filter(pa.compute.equal(table["set"], name))
            found[name] = _numbers(part)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no numbers of clips here; give the folder of an evaluation") from error
    except (OSError, pa.ArrowException, LookupError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({str(error).splitlines()[0]}); evaluate again") from error
    return found


def write_frames_csv(path: Path, sets: Mapping[str, ClipNumbers], action_names: tuple[str, ...]) -> Path:
    """A row per predicted frame of every clip. Whole or not at all."""
    metrics = list(dict.fromkeys(key for numbers in sets.values() for key in _flat(numbers)))
    columns = (*_CSV_ABOUT, *metrics)
    return write_text(path, to_csv(columns, _frames(sets, metrics, action_names)))


def _frames(
    sets: Mapping[str, ClipNumbers], metrics: list[str], action_names: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    """What stands under `_CSV_ABOUT` and the metrics, a frame at a time."""
    for name, numbers in sets.items():
        flat = _flat(numbers)
        for clip, origin in enumerate(numbers.origins):
            about = (name, clip, origin.episode, origin.start, origin.game, origin.console, " ".join(origin.tags))
            for t, action in enumerate(numbers.actions[clip].tolist()):
                said = action_names[action] if action < len(action_names) else str(action)
                cells = (float(flat[key][clip, t]) if key in flat else None for key in metrics)
                yield *about, origin.policy, t + 1, said, *cells


def _flat(numbers: ClipNumbers) -> dict[str, np.ndarray]:
    """`<metric>.<row>` -> (N, H)."""
    return {f"{metric}.{row}": of for metric, rows in numbers.values.items() for row, of in rows.items()}


def _columns(name: str, numbers: ClipNumbers) -> dict[str, Any]:
    origins = numbers.origins
    columns: dict[str, Any] = {
        "set": [name] * len(numbers),
        "clip": list(range(len(numbers))),
        **{field: [getattr(origin, field) for origin in origins] for field in ("episode", "start", "game", "console")},
        "tags": pa.array([list(origin.tags) for origin in origins], pa.list_(pa.string())),
        "policy": [origin.policy for origin in origins],
        "hash": list(numbers.hashes),
        "action": _lists(numbers.actions, pa.int32()),
    }
    return columns | {key: _lists(values, pa.float64()) for key, values in _flat(numbers).items()}


def _lists(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.array(list(values), pa.list_(kind))


def _numbers(table: pa.Table) -> ClipNumbers:
    said = table.select([*_ABOUT]).cast(pa.schema(_ABOUT))
    if missing := [name for name in _ABOUT if said[name].null_count]:
        raise ValueError(f"{missing[0]} is missing for some clips")
    about = said.to_pylist()
    origins = tuple(
        Origin(row["episode"], row["start"], row["game"], row["console"], tuple(row["tags"]), row["policy"])
        for row in about
    )
    actions = np.asarray(table["action"].to_pylist(), dtype=np.int64)
    values: dict[str, dict[str, np.ndarray]] = {}
    for column in table.column_names:
        cells = table[column].to_pylist()
        if column not in _NOT_METRICS and cells[0] is not None:
            metric, row = column.split(".", 1)
            values.setdefault(metric, {})[row] = numbers = np.asarray(cells, dtype=np.float64)
            if numbers.shape != actions.shape or actions.ndim != 2:
                raise ValueError(f"{column} has the shape {numbers.shape}, the actions have {actions.shape}")
    relative = json.loads((table.schema.metadata or {}).get(b"relative", b"{}"))
    return ClipNumbers(origins, tuple(row["hash"] for row in about), actions, values, relative)
