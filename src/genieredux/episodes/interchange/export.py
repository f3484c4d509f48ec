"""The job that writes a data set in a format of others: check, write aside, take its place in one step."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from genieredux.checking import at_least
from genieredux.config import FilePath
from genieredux.episodes.interchange.lerobot_export import write_lerobot
from genieredux.episodes.interchange.minari_export import minari_id, write_minari
from genieredux.episodes.interchange.mp4_export import write_films
from genieredux.episodes.interchange.splits import Progress
from genieredux.episodes.reader import Dataset
from genieredux.errors import UserError
from genieredux.runs.files import new_folder, write_text
from genieredux.runs.places import user_path

MARKER = "export.json"
"""Lies in every finished export: what it was made from. Only a folder that has it is ever replaced."""


@dataclass(frozen=True)
class ExportConfig:
    """What to export, how and where to."""

    path: FilePath
    """A data set."""
    format: Literal["minari", "lerobot", "mp4"]
    """minari, lerobot or mp4 (films)."""
    out: FilePath
    """The folder to make."""
    fps: int = 15
    """Frames a second of the films: the store keeps no clock; consoles held 4 frames give 15."""
    lossless: bool = False
    """Films keep every pixel to the bit, but browsers do not play them; Minari always does."""
    overwrite: bool = False
    """Replace an earlier export in `out`."""

    def __post_init__(self) -> None:
        at_least("fps", self.fps, 1)
        if not self.out:
            raise UserError("out is empty; give the folder to make, such as out=exports/mygame")


@dataclass(frozen=True)
class ExportSummary:
    """What was written. hint: how to read it, one line."""

    path: Path
    episodes: int
    frames: int
    bytes: int
    hint: str


def export(cfg: ExportConfig, progress: Progress | None = None) -> ExportSummary:
    """Write the data set at `cfg.path` to `cfg.out`, which appears when it is whole.

    Raises UserError where the data set cannot be read or does not fit the format, `out` exists (see `overwrite`), or
    the disk is full; then `out` is as it was.
    """
    out = user_path(cfg.out)
    if os.path.lexists(out):
        _may_replace(out, cfg.overwrite)
    dataset = Dataset.open(cfg.path)
    facts = {
        "format": cfg.format,
        "source": dataset.spec.to_json(),
        "fps": cfg.fps,
        "lossless": cfg.lossless or cfg.format == "minari",
        "episodes": len(dataset),
        "frames": int(dataset.lengths.sum()),
    }
    with new_folder(out, lambda place: _may_replace(place, cfg.overwrite)) as folder:
        if cfg.format == "minari":
            write_minari(dataset, folder, progress)
        elif cfg.format == "lerobot":
            write_lerobot(dataset, folder, cfg.fps, cfg.lossless, progress)
        else:
            write_films(dataset, folder, cfg.fps, cfg.lossless, progress)
        write_text(folder / MARKER, json.dumps(facts, indent=2) + "\n")
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return ExportSummary(out, len(dataset), int(dataset.lengths.sum()), size, _hint(cfg, dataset.spec.name, out))


def _may_replace(out: Path, overwrite: bool) -> bool:
    """True; raises UserError where what is at `out` may not go."""
    if not overwrite:
        raise UserError(f"{out} exists; give another out=FOLDER, or overwrite=true to replace the export in it")
    if not (out / MARKER).is_file():
        raise UserError(f"{out} is no export (it has no {MARKER}) and is left alone; give another out=FOLDER")
    return True


def _hint(cfg: ExportConfig, name: str, out: Path) -> str:
    if cfg.format == "minari":
        load = f"import minari; minari.load_dataset('{minari_id(name)}')"
        return f'MINARI_DATASETS_PATH={out.absolute()} python -c "{load}"'
    if cfg.format == "lerobot":
        return f'LeRobotDataset("local/{name}", root="{out.absolute()}")'
    return f"<episode>.mp4 and <episode>.json; back again: data import-videos {out} name=NAME actions={out}"
