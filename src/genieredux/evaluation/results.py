"""What an evaluation found, and how it is written as JSON. It computes nothing.

The JSON of one test set:
    clips, episodes, interval, compare_at
    psnr, ssim        {model, repeat_last, tokenizer_only}, each a list by horizon from 1 (psnr in dB)
    psnr_interval, ssim_interval    the same names, each {low, high} lists
    gain              {repeat_last: {mean, low, high}} lists by horizon: model minus baseline in dB, paired by
    clip,
                      and `average` over horizons
    delta_psnr        {genie, last_action}, each {mean, low, high} in dB at t = compare_at
    delta_psnr_by_horizon           {genie, last_action}, each {horizon, mean, low, high} lists
    psnr_cap_db, capped_frames      PSNR is cut there before any mean; how many frames reached it, by row
NaN and infinity are written as null.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from genieredux.evaluation.bootstrap import Estimate
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.metrics import PSNR_CAP_DB

MODEL, REPEAT_LAST, TOKENIZER_ONLY = "model", "repeat_last", "tokenizer_only"
ROWS = (MODEL, REPEAT_LAST, TOKENIZER_ONLY)
GENIE, LAST_ACTION = "genie", "last_action"
DEFINITIONS = (GENIE, LAST_ACTION)


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
class KeptClips:
    """Frames of a few clips, for pictures: uint8 (K, T, S, S, 3), T = prompt + horizon, the prompt included.

    index: (K,) of the clip in its test set. model, tokenizer_only begin with the true prompt frames.
    random_actions: what the world dreamed under Genie's counterfactual. entropy: float32 (K, N, h, w), nats.
    actions: int64 (K, T-1), the true ones; psnr: float (K, N) of the model, dB.
    """

    index: np.ndarray
    truth: np.ndarray
    model: np.ndarray
    tokenizer_only: np.ndarray
    random_actions: np.ndarray
    entropy: np.ndarray
    actions: np.ndarray
    psnr: np.ndarray


@dataclass(frozen=True)
class SetResult:
    """One test set. psnr, ssim: by row name; gain: model minus repeat_last in dB; delta_psnr: by
    definition.
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
