"""A folder that an evaluation left, read back; and finding such folders. It knows files, no page."""

import difflib
import glob
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.errors import UserError
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.numbers import ClipNumbers, read_parquet

RESULTS = "results.json"
_NEEDED = ("clips", "episodes", "interval", "psnr", "psnr_interval", "ssim", "ssim_interval", "metrics", "breakdown")
_MOST_FOUND = 5


@dataclass(frozen=True)
class Run:
    """One evaluated model.

    name: short, unlike the others'. sets: by test set, as the head of results.py says. made_by: what made them.
    numbers: of every clip, {} where clips.parquet is not there. kept: set -> even, worst, best -> clips. control:
    uint8 (R, A, T, S, S, 3) or None. drift: set -> truth, model -> uint8 (K, T, S, S, 3). page: what its own page says
    besides (report.Report).
    """

    name: str
    folder: Path
    sets: Mapping[str, Mapping[str, Any]]
    made_by: Mapping[str, Any]
    numbers: Mapping[str, ClipNumbers] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, KeptClips]] = field(default_factory=dict)
    control: np.ndarray | None = None
    drift: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    page: Mapping[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> Mapping[str, Any]:
        """The settings of the evaluation (config.EvalConfig), by name."""
        config = self.made_by.get("config") or {}
        settings: Mapping[str, Any] = config.get("eval") or config
        return {EvalConfig.ALIASES.get(name, name): value for name, value in settings.items()}

    @property
    def sampling(self) -> Mapping[str, Any]:
        """How tokens were drawn; {} where nothing was dreamed."""
        config = self.made_by.get("config") or {}
        return self.made_by.get("sampling") or config.get("sampling") or {}

    @property
    def prompt_frames(self) -> int:
        """True frames given."""
        return int(self.protocol.get("prompt_frames", 1))

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the world; empty where nobody wrote them down."""
        return tuple(self.made_by.get("action_names") or ())

    def row(self, set_name: str) -> str:
        """The row that stands for the model itself: a tokenizer alone has no `model`."""
        return "model" if "model" in self.sets[set_name]["psnr"] else "tokenizer_only"


def read_run(folder: Path, name: str = "") -> Run:
    """Everything in the folder. Raises UserError where it is no evaluation, damaged, or of an older version."""
    path = folder / RESULTS
    try:
        plain = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no {RESULTS}{_nearest(folder)}; give a folder that genie_redux eval wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}); evaluate again") from error
    sets = {key: value for key, value in plain.items() if key != "made_by"} if isinstance(plain, dict) else {}
    if not sets or not isinstance(plain.get("made_by"), dict):
        raise UserError(f"{path} is not what genie_redux eval writes (no test sets with made_by); evaluate again")
    for set_name, found in sets.items():
        missing = [key for key in _NEEDED if not isinstance(found, dict) or key not in found]
        if missing:
            raise UserError(
                f"{path}: test set {set_name} lacks {', '.join(missing)}, so another version wrote it; evaluate again"
            )
    numbers = read_parquet(folder / "clips.parquet") if (folder / "clips.parquet").is_file() else {}
    pictures = _read_pictures(folder / "pictures.npz")
    return Run(
        name=name or run_names([folder])[0],
        folder=folder,
        sets=sets,
        made_by=plain["made_by"],
        numbers=numbers,
        kept={set_name: _kept(pictures, set_name) for set_name in sets},
        control=pictures.get("control/frames"),
        drift={
            set_name: {row: pictures[f"drift/{set_name}/{row}"] for row in ("truth", "model")}
            for set_name in sets
            if f"drift/{set_name}/model" in pictures
        },
        page=_read_page(folder / "page.json"),
    )


def find_runs(words: Sequence[str]) -> list[Path]:
    """The folders meant: each word a folder with results.json, one above such folders, the file itself, or a glob.

    Folders are in the order given, those found below one sorted, none twice. Raises UserError for a word without any.
    """
    found: list[Path] = []
    for word in words:
        matches = sorted(glob.glob(word, recursive=True)) if any(mark in word for mark in "*?[") else [word]
        here = [folder for match in matches for folder in _folders(Path(match))]
        if not here:
            raise UserError(
                f"no evaluated run at {word}{_nearest(Path(word))}; give a folder with {RESULTS}, or one above such"
            )
        found += here
    unique = {folder.resolve(): folder for folder in reversed(found)}
    return sorted(unique.values(), key=found.index)


def run_names(folders: Sequence[Path]) -> list[str]:
    """Short names that differ: the parts of their paths that are not common to all."""
    parts = [folder.resolve().parts for folder in folders]
    if len(parts) == 1:
        return [parts[0][-1]]
    first = 0
    while all(len(of) > first + 1 for of in parts) and len({of[first] for of in parts}) == 1:
        first += 1
    parts = [of[first:] for of in parts]
    while all(len(of) > 1 for of in parts) and len({of[-1] for of in parts}) == 1:
        parts = [of[:-1] for of in parts]
    return ["/".join(of) for of in parts]


def _folders(path: Path) -> list[Path]:
    if path.name == RESULTS and path.is_file():
        return [path.parent]
    if (path / RESULTS).is_file():
        return [path]
    return sorted(file.parent for file in path.rglob(RESULTS)) if path.is_dir() else []


def _nearest(path: Path) -> str:
    """`; nearest: A, B` of evaluated runs around a path that is none, or nothing."""
    depths = [f"{'*/' * depth}{RESULTS}" for depth in range(4)]
    around = [folder for folder in path.absolute().parents if folder.is_dir() and folder != Path(folder.anchor)]
    for above in around[:3]:
        near = sorted({str(file.parent) for pattern in depths for file in above.glob(pattern)})
        if near:
            close = difflib.get_close_matches(str(path.absolute()), near, n=_MOST_FOUND, cutoff=0.0)
            return f"; nearest: {', '.join(close)}"
    return ""


def _read_pictures(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as held:
            return {name: held[name] for name in held.files}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} is damaged ({str(error).splitlines()[0]}); delete it or evaluate again") from error


def _kept(pictures: Mapping[str, np.ndarray], set_name: str) -> dict[str, KeptClips]:
    """even, worst and best, as far as they were kept."""
    found = {}
    for part in ("even", "worst", "best"):
        prefix = f"{set_name}/{part}/"
        held = {name.removeprefix(prefix): array for name, array in pictures.items() if name.startswith(prefix)}
        if "truth" not in held:
            continue
        empty = held["truth"][:, :0]
        fields = KeptClips.__dataclass_fields__
        found[part] = KeptClips(**{name: held.get(name, empty) for name in fields})
    return found


def _read_page(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0]}); delete it or evaluate again") from error
    return found if isinstance(found, dict) else {}
