"""The page of a data report: measured values laid out as one HTML file that needs nothing else. Measures nothing."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from genieredux.episodes import DatasetInfo, DatasetSpec
from genieredux.episodes.quality import GOOD, LEVELS, LOOK, POOR, THRESHOLDS, Budget, GameMeasures, QualityNote
from genieredux.pictures import charts
from genieredux.report.data.pictures import Pictures
from genieredux.report.html import counted, render_page, to_yaml

_MOST_BARS = 14
_FEWEST_GAMES_FOR_A_CHART = 6

COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("Game", "", "text"),
    ("Level", "good, look or poor: see the notes", "level"),
    ("Labels", "view, motion and genre in the catalogue", "text"),
    ("Episodes", "how many", "number"),
    ("Frames", "of all episodes", "number"),
    ("Length", "median frames of an episode", "number"),
    ("Distinct", "share of different frames within an episode", "number"),
    ("Idle", "share of steps in which nothing changes", "number"),
    ("Equal", "most equal frames in a row", "number"),
    ("Change", "median change of a step, in levels of 255", "number"),
    ("Area", "share of pixels that ever change", "number"),
    ("Shared", "share of frames that another episode has too", "number"),
    ("Ended", "share of episodes that ended by themselves", "number"),
    ("Return", "mean sum of rewards of an episode", "number"),
    ("B/frame", "compressed bytes a frame takes", "number"),
)
"""Of the table of games: name, what it says, how it is sorted."""


@dataclass(frozen=True)
class DataReport:
    """What the page is made from. index: the data set's index; missing: games that were asked for and are not here."""

    spec: DatasetSpec
    info: DatasetInfo
    index: pa.Table
    notes: tuple[QualityNote, ...]
    pictures: Mapping[str, Pictures]
    missing: tuple[str, ...]
    budget: Budget


def render(report: DataReport) -> str:
    """The page as text, with styles, script, charts and pictures inside."""
    created = dict(report.spec.created_by)
    versions = created.pop("versions", {})
    cards = [_card(k, note, report.pictures[note.game]) for k, note in enumerate(report.notes)]
    values: dict[str, Any] = {
        "name": report.spec.name,
        "summary": _summary(report),
        "facts": _facts(report),
        "tiles": _tiles(report),
        "worth": [card for level in (POOR, LOOK) for card in cards if card["level"] == level],
        "charts": _charts(report),
        "columns": COLUMNS,
        "cards": cards,
        "counts": {level: sum(card["level"] == level for card in cards) for level in LEVELS},
        "missing": report.missing,
        "action_names": report.spec.action_names,
        "thresholds": [(f"{name} {one.value:.3g}", one.reason) for name, one in THRESHOLDS.items()],
        "budget": report.budget,
        "made": to_yaml(created),
        "versions": list(versions.items()) if isinstance(versions, Mapping) else [],
        "command": f"genieredux data report {report.info.path}",
    }
    return render_page("data", values)


def _summary(report: DataReport) -> str:
    info = report.info
    games = counted(len(report.notes), "game")
    odd = [f"{n} {word}" for level, word in _WORDS.items() if (n := sum(one.level == level for one in report.notes))]
    return (
        f"{games}, {counted(info.episodes, 'episode')}, {counted(info.frames, 'frame')}. {', '.join(odd).capitalize()}."
    )


_WORDS = {GOOD: "good", LOOK: "worth a look", POOR: "poor"}


def _facts(report: DataReport) -> list[tuple[str, str]]:
    info, created = report.info, report.spec.created_by
    return [
        ("frames", f"{info.image_size} × {info.image_size}"),
        ("actions", str(len(report.spec.action_names)) if report.spec.action_names else "none recorded"),
        ("levels", f"{info.levels:,}"),
        ("splits", ", ".join(f"{name} {episodes:,}" for name, (episodes, _) in info.splits.items())),
        ("played by", ", ".join(info.policies)),
        ("made by", str(created.get("job", "–"))),
        ("seed", str(created.get("seed", "–"))),
    ]


def _tiles(report: DataReport) -> list[tuple[str, str, str]]:
    """(value, label, note)."""
    info = report.info
    level = Counter(one.level for one in report.notes)
    missing = f"; {len(report.missing)} more are missing" if report.missing else ""
    lowest, mean, highest = info.returns
    return [
        (
            f"{level[GOOD]} of {len(report.notes)}",
            "game is good" if len(report.notes) == 1 else "games are good",
            f"{level[LOOK]} worth a look, {level[POOR]} poor{missing}",
        ),
        (
            f"{info.frames:,}",
            "frames",
            f"in {counted(info.episodes, 'episode')} of {info.lengths[0]:,} to {info.lengths[-1]:,}",
        ),
        (
            f"{info.bytes_per_frame:,.0f}",
            "bytes a frame",
            f"{_bytes(info.bytes)} on disk; raw a frame takes {info.image_size**2 * 3:,}",
        ),
        (
            f"{100 * info.ended:.0f} %",
            "of episodes ended by themselves",
            f"returns {lowest:,.4g} to {highest:,.4g}, mean {mean:,.4g}",
        ),
    ]


def _charts(report: DataReport) -> list[dict[str, Any]]:
    info, notes = report.info, report.notes
    lengths = report.index["length"].to_numpy()
    found = [("Length of episodes", charts.histogram(*_histogram(lengths), "frames of an episode"))]
    if info.actions:
        found.append(("Actions", charts.bars(info.actions, _percent)))
    consoles = Counter[str]()
    for console, length in zip(report.index["console"].to_pylist(), lengths.tolist(), strict=True):
        consoles[console] += length
    if len(consoles) > 1:
        found.append(("Frames by console", charts.bars(dict(consoles.most_common(_MOST_BARS)))))
    frames = {note.game: note.measures.frames for note in notes}
    if 1 < len(frames) <= _MOST_BARS:
        found.append(("Frames by game", charts.bars(frames)))
    elif len(frames) > _MOST_BARS:
        histogram = _histogram(np.array(list(frames.values())))
        found.append(("Frames of a game", charts.histogram(*histogram, "frames; how many games have so many")))
    if len(notes) >= _FEWEST_GAMES_FOR_A_CHART:
        distinct = np.array([note.measures.distinct for note in notes])
        bins = np.histogram(100 * distinct, bins=10, range=(0, 100))
        found.append(
            ("Distinct frames, by game", charts.histogram(bins[0].tolist(), bins[1].tolist(), "% of an episode"))
        )
    found.append(("How episodes end", charts.bars(*_ends(report.index))))
    return [{"title": title, "svg": Markup(body), "legend": ""} for title, body in found]


def _ends(index: pa.Table) -> tuple[dict[str, int], Callable[[float], str]]:
    terminated = np.array(index["terminated"].to_pylist(), bool)
    truncated = np.array(index["truncated"].to_pylist(), bool) & ~terminated
    counts = {
        "the game ended": int(terminated.sum()),
        "cut at the limit": int(truncated.sum()),
        "neither is known": int((~terminated & ~truncated).sum()),
    }
    return counts, lambda count: f"{count:,} ({100 * count / len(terminated):.0f} %)"


def _histogram(values: np.ndarray) -> tuple[list[int], list[float]]:
    low, high = float(values.min()), float(values.max())
    bins = min(20, int(high - low) + 1)
    counts, edges = np.histogram(values, bins=bins, range=(low, high + 1))
    return counts.tolist(), edges.tolist()


def _card(number: int, note: QualityNote, pictures: Pictures) -> dict[str, Any]:
    m = note.measures
    return {
        "id": f"game-{number}",
        "game": note.game,
        "level": note.level,
        "label": " · ".join((m.console, *m.tags)),
        "tags": " ".join(m.tags),
        "text": _sentence(note.text),
        "remarks": _sentence(note.remarks),
        "pictures": pictures,
        "rows": [f"{episode + 1}" for episode in pictures.episodes],
        "cells": _cells(note),
        "facts": _game_facts(m),
        "changes": Markup(charts.bars(m.action_change, "{:.2f}".format)),
        "shares": Markup(charts.bars(m.actions, _percent)),
    }


def _cells(note: QualityNote) -> list[tuple[str, float | str]]:
    """What stands in the table's columns, and by what it is sorted."""
    m = note.measures
    return [
        (note.game, note.game.lower()),
        (note.level, LEVELS.index(note.level)),
        (" ".join(m.tags), " ".join(m.tags)),
        (f"{m.episodes:,}", m.episodes),
        (f"{m.frames:,}", m.frames),
        (f"{m.lengths[1]:,.0f}", m.lengths[1]),
        _share(m.distinct),
        _share(m.idle),
        (f"{m.longest_still + 1:,}", m.longest_still),
        ("–", -1) if m.median_change is None else (f"{m.median_change:.2f}", m.median_change),
        _share(m.moving_pixels),
        _share(m.shared),
        _share(m.terminated),
        (f"{m.returns[1]:,.4g}", m.returns[1]),
        (f"{m.bytes_per_frame:,.0f}", m.bytes_per_frame),
    ]


def _game_facts(m: GameMeasures) -> list[tuple[str, str]]:
    return [
        ("episodes", f"{m.episodes:,} of {m.lengths[0]:,} to {m.lengths[2]:,} frames"),
        ("looked at", f"{m.sampled_frames:,} frames of {counted(m.sampled_episodes, 'episode')}"),
        ("distinct frames", _share(m.distinct)[0]),
        ("idle steps", _share(m.idle)[0]),
        ("mean change", "–" if m.change is None else f"{m.change:.2f} of 255"),
        ("pixels that change", _share(m.moving_pixels)[0]),
        ("ended by themselves", _share(m.terminated)[0]),
        ("returns", " / ".join(f"{value:,.4g}" for value in m.returns)),
        ("varying truth", ", ".join(m.varying) or "none"),
        ("constant truth", ", ".join(m.constant) or "none"),
    ]


def _share(value: float | None) -> tuple[str, float]:
    return ("–", -1.0) if value is None else (f"{100 * value:.0f} %", value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "." if text else ""


def _bytes(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
