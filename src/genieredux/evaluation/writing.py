"""The files of an evaluation, committed as one:

results.json   the numbers, and what made them (docs/metrics.md); it is written last, and removed first
results.csv    every mean of it, a line each (tables.py)
clips.parquet  the numbers of every clip (numbers.py); clips.csv: the same, a line per frame
pictures.npz   of a world: frames of some clips, uint8, for pages: `<set>/<even|worst|best>/<what>` as in
               kept.KeptClips, `control/frames` as in control.ControlGrid, `drift/<set>/<truth|model>` as in
               results.Drift
media/         films and strips of the same

A page is made from all of these (genieredux/report), which keeps its own words beside them in page.json.
"""

import contextlib
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.errors import UserError
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.numbers import write_frames_csv, write_parquet
from genieredux.evaluation.results import Evaluation
from genieredux.evaluation.subjects.control import ControlGrid
from genieredux.evaluation.tables import write_csv
from genieredux.pictures import column_labels, filmstrip, panels, write_loop, write_png
from genieredux.runs.files import sync_folder, write_bytes, write_error, write_text

RESULTS = "results.json"
_LOCK = ".evaluating"
_ASIDE = ".evaluation.unfinished-"
_OF_BEFORE = ("results.csv", "clips.parquet", "clips.csv", "pictures.npz", "page.json", "report.html")
"""What an evaluation or its page may have left, and which would be another's beside new results."""


@contextlib.contextmanager
def held_for_writing(folder: Path) -> Iterator[None]:
    """Hold the folder for one evaluation; what a killed one left there is removed. Leaves no folder where nothing was
    written. Raises UserError where another process holds it, or it cannot be made.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder / _LOCK)
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        for left in folder.glob(f"{_ASIDE}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink()
        file.close()
        for path in made:
            with contextlib.suppress(OSError):  # something was written there
                path.rmdir()


def _locked(path: Path) -> Any:
    while True:
        file = open(path, "ab")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UserError(
                f"another evaluation is writing to {path.parent}; wait for it, or choose another eval.save_root_dpath"
            ) from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        file.close()  # whoever held it has just gone, and its file with it


@contextlib.contextmanager
def committed(folder: Path, last: str) -> Iterator[Path]:
    """A folder aside, whose files come to `folder` when all are there; `last` makes them one: it is removed before the
    first comes and comes after them all, so whoever is killed in between leaves no `last`, and never one evaluation's
    beside another's. Raises UserError where the disk is full or cannot be written; what was there is there still.
    """
    aside = folder / f"{_ASIDE}{os.getpid()}"
    try:
        aside.mkdir(parents=True)
        yield aside
        _exchange(aside, folder, last)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(aside: Path, folder: Path, last: str) -> None:
    files = [path.relative_to(aside) for path in sorted(aside.rglob("*")) if path.is_file()]
    for within in {path.parent for path in files}:
        (folder / within).mkdir(parents=True, exist_ok=True)
    (folder / last).unlink(missing_ok=True)
    sync_folder(folder)
    for name in _OF_BEFORE if last == RESULTS else ():
        (folder / name).unlink(missing_ok=True)
    for path in files:
        if path != Path(last):
            os.replace(aside / path, folder / path)
    for within in {path.parent for path in files}:
        sync_folder(folder / within)
    os.replace(aside / last, folder / last)
    sync_folder(folder)


def write_measured(
    folder: Path, evaluation: Evaluation, made_by: Mapping[str, Any], control: ControlGrid | None = None
) -> Path:
    """Write everything; returns a film. made_by: plain values, kept under that name in results.json. control: of a
    world, the grid of its actions.
    """
    if any(not result.kept for result in evaluation.sets.values()):
        raise UserError("eval.keep_clips is 0, so there is nothing to show; set it to 1 or more")
    plain = evaluation.to_json()
    results = {"version": plain.pop("version"), "about": plain.pop("about"), "made_by": dict(made_by), **plain}
    numbers = {name: result.numbers for name, result in evaluation.sets.items()}
    action_names = tuple(made_by.get("action_names") or ())
    films: list[Path] = []
    with committed(folder, RESULTS) as aside:
        write_csv(aside / "results.csv", results)
        write_parquet(aside / "clips.parquet", numbers, action_names)
        write_frames_csv(aside / "clips.csv", numbers, action_names)
        if control is not None:
            write_arrays(aside / "pictures.npz", _pictures(evaluation, control))
        (aside / "media").mkdir()
        for name, result in evaluation.sets.items():
            assert result.kept is not None
            rows = {label: of[0] for label, of in _films_of(result.kept).items()}
            labels = column_labels(evaluation.config.prompt_frames, evaluation.config.clip_length)
            write_png(aside / "media" / f"{name}.png", filmstrip(rows, labels))
            films += _write_films(aside / "media" / name, result.kept)
            if drift := result.drift:
                long = {"truth": drift.truth[0], "dream": drift.model[0]}
                write_loop(aside / "media" / f"{name}.drift.mp4", panels(long))
        write_json(aside / RESULTS, results)
    return folder / "media" / films[0].name


def write_json(path: Path, values: Mapping[str, Any]) -> Path:
    """Plain values as indented JSON."""
    return write_text(path, json.dumps(values, indent=2))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """As a compressed npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getbuffer())


def _pictures(evaluation: Evaluation, control: ControlGrid) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {"control/frames": control.frames}
    for name, result in evaluation.sets.items():
        parts = {**({"even": result.kept} if result.kept else {}), **result.ends}
        for part, kept in parts.items():
            arrays |= {f"{name}/{part}/{what}": array for what, array in kept.arrays().items()}
        if drift := result.drift:
            arrays |= {f"drift/{name}/truth": drift.truth, f"drift/{name}/model": drift.model}
    return arrays


def _films_of(kept: KeptClips) -> dict[str, np.ndarray]:
    """The rows that were drawn, by what a film calls them."""
    rows = {
        "truth": kept.truth,
        "dream": kept.model,
        "truth redrawn": kept.tokenizer_only,
        "other actions": kept.random_actions,
    }
    return {label: frames for label, frames in rows.items() if frames.size}


def _write_films(stem: Path, kept: KeptClips) -> list[Path]:
    """All kept clips one after another, truth beside dream, as GIF and mp4."""
    shown = _films_of(kept)
    film = np.concatenate([panels({label: of[k] for label, of in shown.items()}) for k in range(len(kept))])
    return [write_loop(Path(f"{stem}{suffix}"), film) for suffix in (".gif", ".mp4")]
