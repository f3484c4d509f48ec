"""A folder that an evaluation left, read back; and finding such folders. It knows files, no page."""

import glob
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genieredux.checking import nearest_few
from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.numbers import ClipNumbers, read_parquet
from genieredux.report.worlds.results import Results, TestSet, read_results
from genieredux.report.worlds.words import PageWords, read_words
from genieredux.runs.places import user_path

RESULTS = "results.json"
PARTS = ("even", "worst", "best")
WORLD = "world"
_MOST_FOUND = 5
_MOST_PICTURES = 2 * 2**30
"""Bytes that pictures.npz may unpack to."""


@dataclass(frozen=True, eq=False)
class Run:
    """One evaluated model.

    name: short, unlike the others'. numbers: of every clip, {} where clips.parquet is not there. kept: set -> even,
    worst, best -> clips. control: uint8 (R, A, T, S, S, 3) or None. drift: set -> truth, model -> uint8
    (K, T, S, S, 3). words: what its page says besides.
    """

    name: str
    folder: Path
    results: Results
    numbers: Mapping[str, ClipNumbers] = field(default_factory=dict)
    kept: Mapping[str, Mapping[str, KeptClips]] = field(default_factory=dict)
    control: np.ndarray | None = None
    drift: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    words: PageWords = field(default_factory=PageWords)

    @property
    def sets(self) -> Mapping[str, TestSet]:
        """By name."""
        return self.results.sets

    @property
    def about(self) -> Mapping[str, About]:
        """Its metrics by name, in order."""
        return self.results.about

    def made(self, key: str) -> Mapping[str, Any]:
        """A part of what made it; {} where nobody wrote it down."""
        value = self.results.made_by.get(key)
        return value if isinstance(value, Mapping) else {}

    def word(self, part: str, key: str) -> str:
        """A word of a part of what made it; "" where nobody wrote it down."""
        value = self.made(part).get(key)
        return "" if value is None else str(value)

    @property
    def kind(self) -> str:
        """What was measured: a world, a tokenizer or a latent action model."""
        word = self.word("model", "kind")
        return "tokenizer" if "tokenizer" in word else "latent action model" if "latent" in word else WORLD

    @property
    def prompt_frames(self) -> int:
        """True frames given."""
        given = self.made("config").get("prompt_frames")
        return given if isinstance(given, int) and given > 0 else 1

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the world; empty where nobody wrote them down."""
        names = self.results.made_by.get("action_names")
        return tuple(map(str, names)) if isinstance(names, list) else ()


def read_run(folder: Path, name: str = "") -> Run:
    """Everything in the folder. Raises UserError naming the file and the field where it is no evaluation or damaged."""
    results = _results(folder)
    pictures = _Pictures.read(folder / "pictures.npz")
    clips = folder / "clips.parquet"
    numbers = read_parquet(clips) if clips.is_file() else {}
    return Run(
        name=name or run_names([folder])[0],
        folder=folder,
        results=results,
        numbers={set_name: of_set for set_name, of_set in numbers.items() if set_name in results.sets},
        kept={set_name: pictures.kept(set_name) for set_name in results.sets},
        control=pictures.films("control/frames", 6),
        drift={set_name: films for set_name in results.sets if (films := pictures.drift(set_name))},
        words=read_words(folder),
    )


def find_runs(words: Sequence[str]) -> list[Path]:
    """The folders meant: each word a folder with results.json, one above such folders, the file itself, or a glob.

    Folders are in the order given, those found below one sorted, none twice. Raises UserError for a word without any.
    """
    found: list[Path] = []
    for word in words:
        path = user_path(word)
        is_glob = any(mark in word for mark in "*?[") and not path.exists()
        matches = sorted(glob.glob(str(path), recursive=True)) if is_glob else [path]
        here = [folder for match in matches for folder in _folders(Path(match))]
        if not here:
            raise UserError(
                f"no evaluated run at {word}{_nearest(path)}; give a folder with {RESULTS}, or one above such"
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


def _results(folder: Path) -> Results:
    path = folder / RESULTS
    try:
        return read_results(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise UserError(
            f"{folder} has no {RESULTS}{_nearest(folder)}; give a folder that genie_redux eval wrote"
        ) from error
    except UserError as error:
        raise UserError(f"{path}: {str(error)[:300]}; evaluate again") from error
    except (OSError, ValueError, ArithmeticError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0][:200]}); evaluate again") from error


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
            close = nearest_few(str(path.absolute()), near, _MOST_FOUND)
            return f"; nearest: {', '.join(close)}"
    return ""


@dataclass(frozen=True)
class _Pictures:
    """The arrays of pictures.npz, checked when they are asked for."""

    path: Path
    arrays: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, path: Path) -> "_Pictures":
        """Empty where there is no such file. Raises UserError where it is damaged."""
        try:
            with zipfile.ZipFile(path) as parts:
                unpacked = sum(part.file_size for part in parts.infolist())
            if unpacked > _MOST_PICTURES:
                raise ValueError(f"it would unpack to {unpacked:,} bytes")
            with np.load(path) as held:
                return cls(path, {name: held[name] for name in held.files})
        except FileNotFoundError:
            return cls(path, {})
        except (OSError, ValueError, EOFError, MemoryError, SyntaxError, zipfile.BadZipFile) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{path} is damaged ({reason}); delete it or evaluate again") from error

    def films(self, name: str, dimensions: int) -> np.ndarray | None:
        """Frames uint8 (..., T, S, S, 3) of so many dimensions; None where there are none. Raises UserError."""
        frames = self.arrays.get(name)
        if frames is None:
            return None
        good = frames.dtype == np.uint8 and frames.ndim == dimensions and frames.shape[-1] == 3 and frames.size
        self._require(bool(good), name, f"uint8 frames of {dimensions} dimensions")
        return frames

    def drift(self, set_name: str) -> dict[str, np.ndarray]:
        """Long clips; {} where there are none."""
        names = {row: f"drift/{set_name}/{row}" for row in ("truth", "model")}
        films = {row: frames for row, name in names.items() if (frames := self.films(name, 5)) is not None}
        return films if len(films) == len(names) else {}

    def kept(self, set_name: str) -> dict[str, KeptClips]:
        """even, worst and best, as far as they were kept."""
        kept = {}
        for part in PARTS:
            truth = self.films(f"{set_name}/{part}/truth", 5)
            if truth is None:
                continue
            empty = truth[:, :0]
            names = KeptClips.__dataclass_fields__
            arrays = {name: self.arrays.get(f"{set_name}/{part}/{name}", empty) for name in names}
            self._check_kept(f"{set_name}/{part}", arrays)
            kept[part] = KeptClips(**arrays)
        return kept

    def _check_kept(self, where: str, arrays: Mapping[str, np.ndarray]) -> None:
        clips, length = arrays["truth"].shape[:2]
        shapes = {"index": (clips,), "actions": (clips, length - 1), "gain": (clips,)}
        shapes |= dict.fromkeys(("model", "tokenizer_only", "random_actions"), arrays["truth"].shape)
        for name, array in arrays.items():
            self._require(len(array) == clips, f"{where}/{name}", f"of {clips} clips, as truth is")
            self._require(array.dtype.kind in "iuf", f"{where}/{name}", "made of numbers")
            if name in shapes and array.size:
                self._require(array.shape == shapes[name], f"{where}/{name}", f"of shape {shapes[name]}")
        for name, dimensions in (("psnr", 2), ("entropy", 4)):
            array = arrays[name]
            fits = not array.size or (array.ndim == dimensions and array.shape[1] <= length)
            self._require(fits, f"{where}/{name}", f"of {dimensions} dimensions and {length} frames at most")
        for name in ("index", "actions"):
            self._require(arrays[name].dtype.kind in "iu", f"{where}/{name}", "made of whole numbers")
        for name in ("model", "tokenizer_only"):
            self._require(arrays[name].dtype == np.uint8, f"{where}/{name}", "uint8")

    def _require(self, holds: bool, name: str, wanted: str) -> None:
        if not holds:
            raise UserError(f"{self.path}: {name} must be {wanted}; delete the file or evaluate again")
