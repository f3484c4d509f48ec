"""How long a dream stays true: rollouts of a hundred frames and more beside long pieces of true episodes.

Baselines are `repeat_last`, `tokenizer_only`, and `random_frame`: at every step any frame of another episode of the
same game, what a dream is worth that has forgotten where it was. The JSON of one test set:

    frames, clips, episodes, interval
    psnr, ssim        {row: estimate by horizon}, the rows of results.py and random_frame
    entropy           {model: estimate by horizon}, nats
    sharpness         {model, truth, tokenizer_only: estimate by horizon}: mean step between neighbouring pixels
    gain              {repeat_last, random_frame: estimate by horizon}, the model's PSNR minus theirs, paired
    better            {repeat_last, random_frame: null, or {from, until}}: the longest stretch of horizons over which
                      the interval of the gain, averaged over `smoothed` frames, lies above 0; until = frames: not lost
    half_sharp_from   the first horizon from which the dream is less than half as sharp as the truth, null: never
    smoothed          how many frames such a mean is over

It knows a world only through `models.protocol.World`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate
from genieredux.evaluation.clips import Clips, to_float, to_uint8
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.counterfactual import clip_seed
from genieredux.evaluation.measure import MODEL, REPEAT_LAST, TOKENIZER_ONLY, Bench, roll
from genieredux.evaluation.metrics import capped, psnr, ssim
from genieredux.evaluation.results import json_safe
from genieredux.evaluation.team import Team

RANDOM_FRAME, TRUTH = "random_frame", "truth"
SMOOTHED = 10
SHOWN = 2
"""Clips whose frames are kept."""
_PURPOSE = 7  # of the seeds that choose random frames


@dataclass(frozen=True)
class Drift:
    """plain: see the head of this file. truth, model: uint8 (K, P + D, S, S, 3), frames of a few clips."""

    plain: dict[str, Any]
    truth: np.ndarray
    model: np.ndarray


@dataclass(frozen=True)
class DriftTask:
    """Some clips. indices: which; frames uint8 (B, P + D, ...), actions (B, P + D - 1); others: uint8 (B, D, ...)."""

    indices: range
    frames: np.ndarray
    actions: np.ndarray
    others: np.ndarray
    config: EvalConfig
    sampling: Any


@dataclass(frozen=True)
class _Found:
    """Per clip and horizon, (B, D) each, by row; model: frames uint8 of those clips that are shown."""

    psnr: dict[str, np.ndarray]
    ssim: dict[str, np.ndarray]
    sharpness: dict[str, np.ndarray]
    entropy: np.ndarray
    model: np.ndarray


def drift_length(config: EvalConfig) -> int:
    """Frames of the clips that `measure_drift` needs."""
    return config.prompt_frames + config.drift_frames


def measure_drift(
    clips: Clips, config: EvalConfig, sampling: Any, team: Team, done: Callable[[int], None] | None = None
) -> Drift:
    """clips: of `drift_length` frames or more. done: called with the clips finished so far."""
    length = drift_length(config)
    others = random_frames(clips, config)
    size = max(1, config.batch_size * config.clip_length // length)  # the memory of a usual batch
    tasks, found = [], []
    for start in range(0, len(clips), size):
        part = slice(start, min(start + size, len(clips)))
        chosen = others(range(part.start, part.stop))
        actions = clips.actions[part, : length - 1].astype(np.int64)
        tasks.append(
            DriftTask(range(part.start, part.stop), clips.frames[part, :length], actions, chosen, config, sampling)
        )
    for batch in team.map(drift_batch, tasks):
        found.append(batch)
        if done is not None:
            done(sum(len(one.entropy) for one in found))
    model = np.concatenate([batch.model for batch in found])
    return Drift(_summary(found, clips, config), clips.frames[: len(model), :length], model)


def random_frames(clips: Clips, config: EvalConfig) -> Callable[[range], np.ndarray]:
    """For some clips, uint8 (B, D, H, W, 3): at every step a frame of another episode of their game; of another game
    where theirs has one episode, of themselves where there is no other clip.
    """
    games = np.array([clips.origin(clip).game for clip in range(len(clips))])
    frames = config.drift_frames

    def pool(clip: int) -> np.ndarray:
        elsewhere = clips.episodes != clips.episodes[clip]
        of_game = np.flatnonzero(elsewhere & (games == games[clip]))
        return next(found for found in (of_game, np.flatnonzero(elsewhere), np.array([clip])) if len(found))

    def choose(indices: range) -> np.ndarray:
        rows = []
        for clip in indices:
            rng = np.random.default_rng((config.seed, clip, _PURPOSE))
            rows.append(clips.frames[rng.choice(pool(clip), frames), rng.integers(clips.length, size=frames)])
        return np.stack(rows)

    return choose


@torch.inference_mode()
def drift_batch(bench: Bench, task: DriftTask) -> _Found:
    """Dream on from the prompts under the true actions, and measure every frame."""
    world, given = bench.world, task.config.prompt_frames
    frames = to_float(task.frames)
    truth = frames[:, given:]
    seeds = [clip_seed(task.config.seed, clip) for clip in task.indices]
    dreamed = roll(world, frames[:, :given], torch.from_numpy(task.actions), seeds, task.sampling)
    rows = {
        MODEL: dreamed.frames,
        REPEAT_LAST: frames[:, given - 1 : given].expand_as(truth),
        TOKENIZER_ONLY: world.decode(world.encode(frames)).cpu()[:, given:],
        RANDOM_FRAME: to_float(task.others),
    }
    shown = max(0, min(SHOWN - task.indices.start, len(task.indices)))
    sharp = {MODEL: rows[MODEL], TRUTH: truth, TOKENIZER_ONLY: rows[TOKENIZER_ONLY]}
    return _Found(
        psnr={name: capped(psnr(row, truth)).numpy() for name, row in rows.items()},
        ssim={name: _each(ssim, row, truth) for name, row in rows.items()},
        sharpness={name: sharpness(row).numpy() for name, row in sharp.items()},
        entropy=dreamed.entropy.float().mean((2, 3)).numpy(),
        model=np.concatenate([task.frames[:shown, :given], to_uint8(dreamed.frames[:shown])], 1),
    )


def sharpness(frames: Tensor) -> Tensor:
    """Mean step between neighbouring pixels, right and below, of the grey picture: (..., C, H, W) -> (...), 0..1."""
    grey = frames.float().mean(-3)
    across = (grey[..., 1:] - grey[..., :-1]).abs().mean((-2, -1))
    return (across + (grey[..., 1:, :] - grey[..., :-1, :]).abs().mean((-2, -1))) / 2


def longest_above(low: Sequence[float] | np.ndarray) -> tuple[int, int] | None:
    """(first, last) index of the longest run of values above 0, the first of equals; None where there is none."""
    best: tuple[int, int] | None = None
    start: int | None = None
    for i, value in enumerate([*low, -1.0]):
        if value > 0 and start is None:
            start = i
        elif not value > 0 and start is not None:
            if best is None or i - start > best[1] - best[0] + 1:
                best = (start, i - 1)
            start = None
    return best


def _each(metric: Callable[[Tensor, Tensor], Tensor], rows: Tensor, truth: Tensor) -> np.ndarray:
    """Clip by clip, for SSIM takes many times the memory of its frames."""
    return np.stack([metric(row, true).numpy() for row, true in zip(rows, truth, strict=True)])


def _summary(found: Sequence[_Found], clips: Clips, config: EvalConfig) -> dict[str, Any]:
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    quality = _joined([batch.psnr for batch in found])
    sharp = _joined([batch.sharpness for batch in found])
    gain = {row: quality[MODEL] - quality[row] for row in (REPEAT_LAST, RANDOM_FRAME)}
    smoothed = min(SMOOTHED, config.drift_frames)
    half_sharp = np.flatnonzero(_smooth(sharp[MODEL].mean(0) - sharp[TRUTH].mean(0) / 2, smoothed) < 0)

    def rows(values: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {name: bootstrap.estimate(of).to_json() for name, of in values.items()}

    plain = {
        "frames": config.drift_frames,
        "clips": len(clips),
        "episodes": bootstrap.episodes,
        "interval": config.interval,
        "psnr": rows(quality),
        "ssim": rows(_joined([batch.ssim for batch in found])),
        "entropy": rows({MODEL: np.concatenate([batch.entropy for batch in found])}),
        "sharpness": rows(sharp),
        "gain": rows(gain),
        "better": {row: _better(bootstrap.estimate(_smooth(of, smoothed)), smoothed) for row, of in gain.items()},
        "half_sharp_from": int(half_sharp[0]) + 1 if len(half_sharp) else None,
        "smoothed": smoothed,
    }
    safe = json_safe(plain)
    assert isinstance(safe, dict)
    return safe


def _better(smoothed_gain: Estimate, frames: int) -> dict[str, int] | None:
    run = longest_above(smoothed_gain.low)
    return None if run is None else {"from": run[0] + 1, "until": run[1] + frames}


def _smooth(values: np.ndarray, frames: int) -> np.ndarray:
    """Means over `frames` consecutive horizons, (..., D) -> (..., D - frames + 1)."""
    return np.lib.stride_tricks.sliding_window_view(values, frames, axis=-1).mean(-1)


def _joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {row: np.concatenate([part[row] for part in parts]).astype(np.float64) for row in parts[0]}
