"""Which games, consoles, kinds of game and actions a world does well: the headline numbers of parts of a test set.

Parts are of clips (game, console, each RetroAct tag, who played) or of frames (the action that led to them). It knows
numbers of clips, no world.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genieredux.evaluation.about import About
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.numbers import ClipNumbers


def breakdown(
    numbers: ClipNumbers, abouts: Mapping[str, About], config: EvalConfig, action_names: Sequence[str]
) -> dict[str, Any]:
    """kind of part -> part -> its row; parts that nobody knows of are left out."""
    found: dict[str, Any] = {}
    for kind, parts in _parts(numbers, action_names).items():
        rows = {name: _row(numbers, weights, abouts, config) for name, weights in parts.items() if weights.any()}
        if rows:
            found[kind] = rows
    return found


def _parts(numbers: ClipNumbers, action_names: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """kind -> part -> bool (N, H): which frames belong to it."""
    whole = np.ones(numbers.actions.shape, dtype=bool)

    def of_clips(labels: list[tuple[str, ...]]) -> dict[str, np.ndarray]:
        names = sorted({label for clip in labels for label in clip} - {"unknown", ""})
        return {name: whole & np.array([name in clip for clip in labels])[:, None] for name in names}

    origins = numbers.origins
    return {
        "game": of_clips([(origin.game,) for origin in origins]),
        "console": of_clips([(origin.console,) for origin in origins]),
        "tag": of_clips([origin.tags for origin in origins]),
        "policy": of_clips([(origin.policy,) for origin in origins]),
        "action": {name: numbers.actions == index for index, name in enumerate(action_names)},
    }


def _row(numbers: ClipNumbers, weights: np.ndarray, abouts: Mapping[str, About], config: EvalConfig) -> dict[str, Any]:
    """Means over the frames of one part, with intervals over its episodes."""
    members = np.flatnonzero(weights.any(1))
    part, inside = numbers.take(members), weights[members]
    bootstrap = EpisodeBootstrap(part.episodes, config.resamples, config.interval, config.seed)
    at = np.zeros_like(inside)
    at[:, config.compare_at - 1] = inside[:, config.compare_at - 1]
    row: dict[str, Any] = {"clips": len(members), "frames": int(inside.sum()), "episodes": bootstrap.episodes}
    for metric, rows in part.values.items():
        about = abouts[metric]
        where = at if about.at == "compare_at" else inside
        relative = rows[about.relative_to] if about.relative_to else np.ones(inside.shape)
        row[metric] = {}
        for name, values in rows.items():
            known = where & np.isfinite(values)
            estimate = bootstrap.ratio(np.where(known, values, 0).sum(1), np.where(known, relative, 0).sum(1))
            row[metric][name] = estimate.to_json()
    return row
