"""From the table of a test set to its results: means, intervals, parts, the same for every metric. It knows no world
and no frame but those kept for pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genieredux.evaluation.about import About
from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.measuring.breakdown import breakdown
from genieredux.evaluation.measuring.loop import Bench, Table
from genieredux.evaluation.metrics.metric import Pool
from genieredux.evaluation.numbers import ClipNumbers
from genieredux.evaluation.results import SetResult


def summarise(table: Table, bench: Bench, clips: Clips, config: EvalConfig, action_names: Sequence[str]) -> SetResult:
    """The result of a test set."""
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    numbers = clip_numbers(table, bench, clips, config)
    abouts = abouts_of(bench, table)
    pool = Pool(clips, config, tuple(action_names))
    plain = {
        "clips": len(clips),
        "episodes": bootstrap.episodes,
        "interval": config.interval,
        "compare_at": config.compare_at,
        **estimates(numbers.values, abouts, bootstrap),
        **{pooled.key: pooled.pool(table.looked[pooled.key], pool) for pooled in bench.pooled},
        "capped_frames": _capped(table, abouts),
        "breakdown": breakdown(numbers, abouts, config, action_names),
        "sampling_seeds": _seeds(table, abouts, config),
    }
    return SetResult(plain, numbers, table.keeper.even(), table.keeper.ends())


def abouts_of(bench: Bench, table: Table) -> dict[str, About]:
    """Of the metrics that found something, per clip."""
    return {metric.about.name: metric.about for metric in bench.metrics if table.values[metric.about.name]}


def clip_numbers(table: Table, bench: Bench, clips: Clips, config: EvalConfig) -> ClipNumbers:
    """Of every clip, means over the seeds."""
    given = config.prompt_frames - 1
    abouts = abouts_of(bench, table)
    means = table.means()
    return ClipNumbers(
        origins=tuple(clips.origin(clip) for clip in range(len(clips))),
        hashes=clips.hashes(config.clip_length),
        actions=clips.actions[:, given : given + config.horizon].astype(np.int64),
        values={name: means[name] for name in abouts},
        relative={name: about.relative_to for name, about in abouts.items() if about.relative_to},
    )


def estimates(
    values: Mapping[str, Mapping[str, np.ndarray]], abouts: Mapping[str, About], bootstrap: EpisodeBootstrap
) -> dict[str, dict[str, Any]]:
    """metric -> row -> {mean, low, high, average: {mean, low, high}}, lists by horizon; values: (N, H)."""
    found: dict[str, dict[str, Any]] = {}
    for name, rows in values.items():
        relative = abouts[name].relative_to
        weights = rows[relative] if relative else None
        found[name] = {row: _estimate(of, weights, bootstrap) for row, of in rows.items()}
    return found


def _estimate(values: np.ndarray, weights: np.ndarray | None, bootstrap: EpisodeBootstrap) -> dict[str, Any]:
    """values, weights: (N, H); NaN is left out. Where nothing is missing it is the plain mean over the clips."""
    measured = np.isfinite(values)
    there = measured.any(0)
    if weights is None and there.any() and measured[:, there].all():
        by_horizon, average = bootstrap.estimate(values[:, there]), bootstrap.estimate(values[:, there].mean(1))
    else:
        below = np.where(measured, 1.0 if weights is None else weights, 0)
        above = np.where(measured, values, 0)
        by_horizon, average = (
            bootstrap.ratio(above[:, there], below[:, there]),
            bootstrap.ratio(above.sum(1), below.sum(1)),
        )
    return {**_spread(by_horizon, there).to_json(), "average": average.to_json()}


def _spread(estimate: Estimate, there: np.ndarray) -> Estimate:
    """Of the horizons that were measured -> of all, NaN at the others."""
    lists = []
    for values in (estimate.mean, estimate.low, estimate.high):
        lists.append(np.full(there.shape, np.nan))
        lists[-1][there] = values
    return Estimate(*lists)


def _capped(table: Table, abouts: Mapping[str, About]) -> dict[str, int]:
    """Frames at the cap, by row; under the first seed."""
    return {
        row: int((of[0] >= about.cap).sum())
        for name, about in abouts.items()
        if about.cap is not None
        for row, of in table.values[name].items()
    }


def _seeds(table: Table, abouts: Mapping[str, About], config: EvalConfig) -> dict[str, Any]:
    """The mean under each seed, and the standard deviation of these means, of what seeds change."""
    means: dict[str, dict[str, list[float]]] = {}
    spread: dict[str, dict[str, float]] = {}
    for name, about in abouts.items():
        for row, of in table.values[name].items():
            if len(of) < 2:
                continue
            at = of[:, :, config.compare_at - 1] if about.at == "compare_at" else of
            by_seed = _mean_by_seed(at, table.values[name][about.relative_to][0] if about.relative_to else None)
            means.setdefault(name, {})[row] = by_seed.tolist()
            spread.setdefault(name, {})[row] = float(by_seed.std(ddof=1))
    return {"seeds": list(config.seeds), "means": means, "spread": spread}


def _mean_by_seed(values: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """values: (S, N, ...) -> (S,), NaN left out."""
    rows = values.reshape(len(values), -1)
    if weights is None:
        means: np.ndarray = np.nanmean(rows, 1) if np.isfinite(rows).any(1).all() else rows.mean(1)
        return means
    ratio: np.ndarray = rows.sum(1) / weights.sum()
    return ratio
