"""The files of an evaluation, each whole or not at all:

results.json   the numbers, and what made them (results.py, drift.py)
results.csv    every mean of it, a line each (tables.py)
clips.parquet  the numbers of every clip (numbers.py); clips.csv: the same, a line per frame
pictures.npz   frames of some clips, uint8, for pages: `<set>/<even|worst|best>/<what>` as in kept.KeptClips,
               `control/frames` as in control.ControlGrid, `drift/<set>/<truth|model>` as in drift.Drift
media/         films and strips of the same

A page is made from all of these (genieredux/report), which keeps its own words beside them in page.json.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.errors import UserError
from genieredux.evaluation.control import ControlGrid
from genieredux.evaluation.drift import Drift
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.numbers import write_frames_csv, write_parquet
from genieredux.evaluation.results import Evaluation
from genieredux.evaluation.tables import write_csv
from genieredux.pictures import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.runs.files import write_bytes


@dataclass(frozen=True)
class Measured:
    """A measured world and pictures of it. drift: by test set, where it was asked."""

    evaluation: Evaluation
    control: ControlGrid
    drift: Mapping[str, Drift] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """The files that `write_measured` left."""

    results: Path
    film: Path
    strips: tuple[Path, ...] = field(default_factory=tuple)


def write_measured(folder: Path, measured: Measured, made_by: Mapping[str, Any]) -> Written:
    """Write everything. made_by: plain values, kept under that name in results.json."""
    evaluation = measured.evaluation
    if any(not result.kept for result in evaluation.sets.values()):
        raise UserError("eval.keep_clips is 0, so there is nothing to show; set it to 1 or more")
    sets = evaluation.to_json()
    results = write_json(folder / "results.json", {**sets, "made_by": dict(made_by)})
    write_csv(folder / "results.csv", {**sets, "made_by": made_by})
    numbers = {name: result.numbers for name, result in evaluation.sets.items()}
    write_parquet(folder / "clips.parquet", numbers, measured.control.action_names)
    write_frames_csv(folder / "clips.csv", numbers, measured.control.action_names)
    write_arrays(folder / "pictures.npz", _pictures(measured))
    (folder / "media").mkdir(parents=True, exist_ok=True)
    strips, films = [], []
    for name, result in evaluation.sets.items():
        assert result.kept is not None
        rows = {"truth": result.kept.truth[0], "dream": result.kept.model[0]}
        labels = column_labels(evaluation.config.prompt_frames, evaluation.config.clip_length)
        strips.append(write_png(folder / "media" / f"{name}.png", filmstrip(rows, labels)))
        films += _films(folder / "media" / name, result.kept)
    for name, drift in measured.drift.items():
        write_loop(folder / "media" / f"{name}.drift.mp4", panels({"truth": drift.truth[0], "dream": drift.model[0]}))
    return Written(results, films[0], tuple(strips))


def write_json(path: Path, values: Mapping[str, Any]) -> Path:
    """Plain values as indented JSON."""
    content = json.dumps(values, indent=2).encode()
    return write_bytes(path, content)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """As a compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    content = buffer.getbuffer()
    return write_bytes(path, content)


def _pictures(measured: Measured) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"control/frames": measured.control.frames}
    for name, result in measured.evaluation.sets.items():
        parts = {**({"even": result.kept} if result.kept else {}), **result.ends}
        for part, kept in parts.items():
            arrays |= {f"{name}/{part}/{what}": array for what, array in kept.arrays().items()}
    for name, drift in measured.drift.items():
        arrays |= {f"drift/{name}/truth": drift.truth, f"drift/{name}/model": drift.model}
    return arrays


def _films(stem: Path, kept: KeptClips) -> list[Path]:
    """All kept clips one after another, truth beside dream, as GIF and mp4."""
    rows = {
        "truth": kept.truth,
        "dream": kept.model,
        "tokenizer only": kept.tokenizer_only,
        "other actions": kept.random_actions,
    }
    shown = {label: frames for label, frames in rows.items() if frames.size}
    film = np.concatenate([panels({label: of[k] for label, of in shown.items()}) for k in range(len(kept))])
    return [write_loop(Path(f"{stem}{suffix}"), film) for suffix in (".gif", ".mp4")]
