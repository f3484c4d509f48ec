"""What an evaluation found, and how it is written as JSON. It computes nothing.

The JSON of one test set (docs/metrics.md says what each number means). An estimate is `{mean, low, high}`, scalars or
lists; rows are `model`, `repeat_last`, `tokenizer_only`; "by horizon" is a list, its first value that of frame 1.

    clips, episodes, interval, compare_at
    psnr, ssim        by row, by horizon (psnr in dB)
    psnr_interval, ssim_interval    the same, each {low, high} lists
    gain              {repeat_last: estimate by horizon, and `average`, an estimate over all horizons}: model minus
                      baseline in dB, paired by clip
    delta_psnr        {genie, last_action: estimate in dB at t = compare_at}; {} where eval_control is false
    delta_psnr_by_horizon           {genie, last_action}, each {horizon: list, mean, low, high}
    psnr_cap_db, capped_frames      PSNR is cut there before any mean; how many frames reached it, by row
    metrics           {ST-LPIPS, LPIPS, action_accuracy: {row: estimate by horizon}} as far as there are weights;
                      action_accuracy also has the rows `truth` and `random_actions`
    action_confusion  {row: counts}, a row per action that was given, a column per action that is shown; {} without
                      action_accuracy
    frechet           {FID: {rows: {row: {all, by_horizon}}, floor, samples}, FVD: {rows: {row: {all}}, floor,
                      samples}}; `all` pools every horizon, samples are its frames or clips; floor: truth against
                      truth, of half the samples each
    breakdown         {game, console, tag, policy, action: {part: {clips, frames, episodes, psnr, ssim, ...: {row:
                      estimate}, gain: {repeat_last}, delta_psnr: {definition: estimate at compare_at}}}}; means over
                      all horizons; the action is that which led to the frame
    calibration       {clips, tokens, error_rate, bins: [{tokens, entropy, error_rate, mse}], token: {wrong, mse},
                      first_frame: {wrong, mse}, frame: {psnr}}, the last three with {pearson, spearman} correlations
                      of entropy with what they name
    sampling_seeds    {seeds, psnr, ssim, gain, delta_psnr.genie, delta_psnr.last_action: the mean of each seed,
                      spread: {the same: their standard deviation, null for one seed}}
    drift             null, or what drift.py says
NaN and infinity are written as null.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genieredux.evaluation.bootstrap import Estimate
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import KeptClips
from genieredux.evaluation.measure import MODEL, REPEAT_LAST, ROWS, TOKENIZER_ONLY
from genieredux.evaluation.metrics import PSNR_CAP_DB
from genieredux.evaluation.numbers import ClipNumbers

GENIE, LAST_ACTION = "genie", "last_action"
DEFINITIONS = (GENIE, LAST_ACTION)

__all__ = [
    "DEFINITIONS",
    "GENIE",
    "LAST_ACTION",
    "MODEL",
    "REPEAT_LAST",
    "ROWS",
    "TOKENIZER_ONLY",
    "ByHorizon",
    "Evaluation",
    "KeptClips",
    "SetResult",
    "json_safe",
]


@dataclass(frozen=True)
class ByHorizon:
    """An estimate at some horizons. horizon: tuple of K numbers from 1; estimate: arrays (K,)."""

    horizon: tuple[int, ...]
    estimate: Estimate

    def at(self, t: int) -> Estimate:
        """The estimate at horizon t, as scalars. KeyError where it was not measured."""
        if t not in self.horizon:
            raise KeyError(f"horizon {t} was not measured, only {self.horizon}")
        return self.estimate.at(self.horizon.index(t))


@dataclass(frozen=True)
class SetResult:
    """One test set. psnr, ssim: by row name; gain: model minus repeat_last in dB; delta_psnr: by definition, empty
    where it was not asked. metrics: further ones, by name and row. action_confusion, frechet, breakdown, calibration,
    sampling_seeds, drift: plain values, as the head of this file says. numbers: of every clip. kept: clips spread
    evenly, for pictures; ends: the `worst` and `best`.
    """

    clips: int
    episodes: int
    psnr: dict[str, ByHorizon]
    ssim: dict[str, ByHorizon]
    gain: ByHorizon
    gain_average: Estimate
    delta_psnr: dict[str, ByHorizon]
    capped_frames: dict[str, int]
    kept: KeptClips | None
    numbers: ClipNumbers
    ends: dict[str, KeptClips] = field(default_factory=dict)
    metrics: dict[str, dict[str, ByHorizon]] = field(default_factory=dict)
    action_confusion: dict[str, list[list[int]]] = field(default_factory=dict)
    frechet: dict[str, Any] = field(default_factory=dict)
    breakdown: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    sampling_seeds: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Any] | None = None

    def to_json(self, config: EvalConfig) -> dict[str, object]:
        """See the head of this file."""
        plain = {
            "clips": self.clips,
            "episodes": self.episodes,
            "interval": config.interval,
            "compare_at": config.compare_at,
            "psnr": _means(self.psnr),
            "psnr_interval": _bounds(self.psnr),
            "ssim": _means(self.ssim),
            "ssim_interval": _bounds(self.ssim),
            "gain": {REPEAT_LAST: {**self.gain.estimate.to_json(), "average": self.gain_average.to_json()}},
            "delta_psnr": {name: by.at(config.compare_at).to_json() for name, by in self.delta_psnr.items()},
            "delta_psnr_by_horizon": {
                name: {"horizon": list(by.horizon), **by.estimate.to_json()} for name, by in self.delta_psnr.items()
            },
            "psnr_cap_db": PSNR_CAP_DB,
            "capped_frames": self.capped_frames,
            "metrics": {
                name: {row: by.estimate.to_json() for row, by in rows.items()} for name, rows in self.metrics.items()
            },
            "action_confusion": self.action_confusion,
            "frechet": self.frechet,
            "breakdown": self.breakdown,
            "calibration": self.calibration,
            "sampling_seeds": self.sampling_seeds,
            "drift": self.drift,
        }
        safe = json_safe(plain)
        assert isinstance(safe, dict)
        return safe


@dataclass(frozen=True)
class Evaluation:
    """The results of one world on every test set. seconds: what each test set took (not part of the JSON)."""

    config: EvalConfig
    sets: dict[str, SetResult]
    seconds: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """`{test set: {...}}`, the same bytes for the same world, clips and configuration."""
        return {name: result.to_json(self.config) for name, result in self.sets.items()}


def json_safe(value: object) -> object:
    """Plain Python with None in place of NaN and infinities, which JSON has no word for. Tuples become
    lists.
    """
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(item) for item in value]
    if isinstance(value, np.generic):
        return json_safe(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _means(rows: dict[str, ByHorizon]) -> dict[str, list[float]]:
    return {name: by.estimate.mean.tolist() for name, by in rows.items()}


def _bounds(rows: dict[str, ByHorizon]) -> dict[str, dict[str, list[float]]]:
    return {name: {"low": by.estimate.low.tolist(), "high": by.estimate.high.tolist()} for name, by in rows.items()}
