"""The job that writes a data report: look at every game, draw it, write the page and its numbers."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genieredux.checking import nearest_few
from genieredux.config import FilePath
from genieredux.episodes import Dataset, describe
from genieredux.episodes.quality import LEVELS, THRESHOLDS, Budget, QualityNote, note
from genieredux.errors import UserError
from genieredux.report.data.missing import missing_games
from genieredux.report.data.page import DataReport, render
from genieredux.report.data.pictures import Pictures, draw_pictures
from genieredux.runs.files import write_together
from genieredux.runs.places import user_path

PICTURE_BYTES = 19_000_000
"""Bytes of all pictures together; in base64 they take a third more, and the page stays below 30 MB."""

_GAME_BYTES = 160_000  # one game's pictures at most, where there are few games
_FEW_GAMES, _ROWS_OF_FEW, _ROWS = 4, 8, 3


@dataclass(frozen=True)
class DataReportConfig:
    """What to report on, and where to."""

    path: FilePath
    """A data set."""
    out: FilePath = ""
    """The page, FILE.html, with its numbers beside it as FILE.json; empty: report.html in the data set's folder."""
    games: str = ""
    """Only these, separated by commas; empty: all."""
    seed: int = 0
    """Draws the frames that are looked at."""

    def __post_init__(self) -> None:
        if self.out and Path(self.out).suffix != ".html":
            raise UserError(f"out is {self.out}; give a file that ends in .html, such as out=report.html")
        if not self.out and "://" in self.path:
            raise UserError(f"{self.path} is no local folder; say where the page goes: out=FILE.html")
        if self.seed < 0:
            raise UserError(f"seed must be 0 or more, got {self.seed}")

    @property
    def page(self) -> Path:
        """Where the page goes."""
        return user_path(self.out) if self.out else user_path(self.path) / "report.html"


@dataclass(frozen=True)
class ReportSummary:
    """What was written. levels: how many games are good, look, poor. bytes: of the page."""

    page: Path
    numbers: Path
    notes: tuple[QualityNote, ...]
    bytes: int
    seconds: float

    @property
    def levels(self) -> dict[str, int]:
        """Games of each level."""
        count = Counter(one.level for one in self.notes)
        return {level: count[level] for level in LEVELS}


def write_data_report(cfg: DataReportConfig, progress: Callable[[int, int], None] | None = None) -> ReportSummary:
    """Look at the data set at `cfg.path` and write `cfg.page` and the numbers beside it, each whole or not at all.

    progress: called with (games done, games). Raises `UserError` where there is no data set, no episode, no such game,
    a damaged file, or where the page cannot be written; then what was there before stays.
    """
    began = time.monotonic()
    dataset = Dataset.open(cfg.path)
    games = _games(dataset, cfg.games)
    if cfg.games:
        dataset = dataset.select(game=games)
    budget = Budget.of(len(games), cfg.seed)
    share = min(PICTURE_BYTES // len(games), _GAME_BYTES * (2 if len(games) <= _FEW_GAMES else 1))
    notes: list[QualityNote] = []
    pictures: dict[str, Pictures] = {}
    for done, game in enumerate(games):
        if progress:
            progress(done, len(games))
        notes.append(note(dataset, game, budget))
        rows = _ROWS_OF_FEW if len(games) <= _FEW_GAMES else _ROWS
        pictures[game] = draw_pictures(dataset.select(game=game), rows, share)
    missing = () if cfg.games else missing_games(dataset)
    report = DataReport(dataset.spec, describe(dataset), dataset.index, tuple(notes), pictures, missing, budget)
    text = render(report)
    numbers = cfg.page.with_suffix(".json")
    write_together({numbers: json.dumps(_numbers(report), indent=1) + "\n", cfg.page: text})
    if progress:
        progress(len(games), len(games))
    return ReportSummary(cfg.page, numbers, tuple(notes), cfg.page.stat().st_size, time.monotonic() - began)


def _games(dataset: Dataset, asked: str) -> list[str]:
    """The games to report on, as the data set writes them, sorted."""
    there = sorted(set(dataset.index["game"].to_pylist()))
    by_name = {game.lower().removesuffix("-v0"): game for game in there}
    chosen = []
    for name in (word.strip() for word in asked.strip().strip("[]").split(",") if word.strip()):
        key = name.lower().removesuffix("-v0")
        if key not in by_name:
            near = [by_name[one] for one in nearest_few(key, by_name)]
            raise UserError(f"{dataset.path}: has no game '{name}'; nearest: {', '.join(near)} (all: {len(there)})")
        chosen.append(by_name[key])
    return sorted(set(chosen)) or there


def _numbers(report: DataReport) -> dict[str, Any]:
    """Everything in the page that is a number or a word, as plain values."""
    return {
        "dataset": report.spec.to_json(),
        "summary": {**vars(report.info), "bytes_per_frame": report.info.bytes_per_frame},
        "sample": {"frames_per_game": report.budget.frames, "seed": report.budget.seed},
        "thresholds": {name: vars(one) for name, one in THRESHOLDS.items()},
        "missing_games": list(report.missing),
        "games": {one.game: one.to_json() for one in report.notes},
    }
