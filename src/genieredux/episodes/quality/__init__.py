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
    QualityNote,
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
    "GameMeasures",
    "QualityNote",
    "brief",
    "judge",
    "measure",
    "note",
    "step_limit",
]
