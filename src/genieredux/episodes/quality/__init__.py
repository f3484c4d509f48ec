"""Is this data worth learning from? Measures of each game of a data set, and a short note in words.

`note(dataset, game)` is the way in. Knows no emulator and no page; reads a sample of the frames, drawn with a seed.
"""

from genieredux.episodes.quality.game import GameMeasures, measure
from genieredux.episodes.quality.notes import (
    GOOD,
    LEVELS,
    LOOK,
    POOR,
    THRESHOLDS,
    Finding,
    QualityNote,
    Threshold,
    brief,
    judge,
    note,
    step_limit,
)
from genieredux.episodes.quality.sample import Budget

__all__ = [
    "GOOD",
    "LEVELS",
    "LOOK",
    "POOR",
    "THRESHOLDS",
    "Budget",
    "Finding",
    "GameMeasures",
    "QualityNote",
    "Threshold",
    "brief",
    "judge",
    "measure",
    "note",
    "step_limit",
]
