"""From the numbers of batches to the result of a test set: means, intervals, parts. It knows no world and no frame but
those kept for pictures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.breakdown import breakdown
from genieredux.evaluation.calibration import TokenErrors, calibration
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.kept import Keeper
from genieredux.evaluation.measure import MODEL, REPEAT_LAST, BatchNumbers
from genieredux.evaluation.metrics import PSNR_CAP_DB
from genieredux.evaluation.moments import frechet_distance, frechet_floor
from genieredux.evaluation.numbers import ClipNumbers
from genieredux.evaluation.probes import TRUTH, Looked
from genieredux.evaluation.results import GENIE, LAST_ACTION, ByHorizon, SetResult


def summarise(
    batches: Sequence[BatchNumbers], keeper: Keeper, clips: Clips, config: EvalConfig, action_names: Sequence[str]
) -> SetResult:
    """The result of a test set from all its batches, in their order. keeper: of its pictures."""
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    looked = Looked.join([batch.looked for batch in batches])
    by_seed = _by_seed(batches)
    numbers = _numbers(batches, by_seed, looked, clips, config)
    all_horizons = tuple(range(1, config.horizon + 1))

    def estimate(values: np.ndarray) -> ByHorizon:
        return ByHorizon(all_horizons, bootstrap.estimate(values))

    def rows(metric: str) -> dict[str, ByHorizon]:
        return {row: estimate(values) for row, values in numbers.values[metric].items()}

    gain = numbers.values["psnr"][MODEL] - numbers.values["psnr"][REPEAT_LAST]
    tokens = TokenErrors.join([batch.tokens for batch in batches if batch.tokens is not None])
    of_tokens = EpisodeBootstrap(clips.episodes[tokens.clips], config.resamples, config.interval, config.seed)
    return SetResult(
        clips=len(clips),
        episodes=bootstrap.episodes,
        psnr=rows("psnr"),
        ssim=rows("ssim"),
        gain=estimate(gain),
        gain_average=bootstrap.estimate(gain.mean(1)),
        delta_psnr=_delta_psnr(by_seed, bootstrap, config),
        capped_frames=_capped(batches),
        kept=keeper.even(),
        numbers=numbers,
        ends=keeper.ends(),
        metrics={metric: rows(metric) for metric in looked.by_frame},
        action_confusion={row: _confusion(pairs, len(action_names)) for row, pairs in looked.read.items()},
        frechet={metric: frechet(of_rows, clips.episodes) for metric, of_rows in looked.features.items()},
        breakdown=breakdown(numbers, config, action_names),
        calibration=calibration(tokens, by_seed["psnr"][0][tokens.clips], of_tokens),
        sampling_seeds=_seeds(by_seed, numbers, config),
    )


def _by_seed(batches: Sequence[BatchNumbers]) -> dict[str, np.ndarray]:
    """What differs by seed, (S, N, ...) each, PSNR capped."""
    found = {
        "psnr": np.minimum(np.concatenate([batch.psnr[MODEL] for batch in batches], 1), PSNR_CAP_DB),
        "ssim": np.concatenate([batch.ssim[MODEL] for batch in batches], 1),
    }
    for name, part in ((GENIE, "genie"), (LAST_ACTION, "last_action")):
        if getattr(batches[0], part) is not None:
            found[name] = np.concatenate([getattr(batch, part) for batch in batches], 1)
    return {name: values.astype(np.float64) for name, values in found.items()}


def _numbers(
    batches: Sequence[BatchNumbers],
    by_seed: Mapping[str, np.ndarray],
    looked: Looked,
    clips: Clips,
    config: EvalConfig,
) -> ClipNumbers:
    """Of every clip, means over the seeds."""

    def joined(name: str) -> dict[str, np.ndarray]:
        first = getattr(batches[0], name)
        others = {
            row: np.concatenate([getattr(batch, name)[row] for batch in batches]) for row in first if row != MODEL
        }
        return {MODEL: by_seed[name].mean(0), **others}

    psnr = {row: np.minimum(values, PSNR_CAP_DB).astype(np.float64) for row, values in joined("psnr").items()}
    values: dict[str, dict[str, np.ndarray]] = {
        "psnr": psnr,
        "ssim": joined("ssim"),
        "entropy": {MODEL: np.concatenate([batch.entropy for batch in batches])},
        **looked.by_frame,
    }
    if GENIE in by_seed:
        last = np.full(psnr[MODEL].shape, np.nan)
        last[:, np.array(config.last_action_at) - 1] = by_seed[LAST_ACTION].mean(0)
        values["delta_psnr"] = {GENIE: by_seed[GENIE].mean(0), LAST_ACTION: last}
    given = config.prompt_frames - 1
    return ClipNumbers(
        origins=tuple(clips.origin(clip) for clip in range(len(clips))),
        hashes=clips.hashes(config.clip_length),
        actions=clips.actions[:, given : given + config.horizon].astype(np.int64),
        values=values,
    )


def _delta_psnr(
    by_seed: Mapping[str, np.ndarray], bootstrap: EpisodeBootstrap, config: EvalConfig
) -> dict[str, ByHorizon]:
    if GENIE not in by_seed:
        return {}
    every = tuple(range(1, config.horizon + 1))
    return {
        GENIE: ByHorizon(every, bootstrap.estimate(by_seed[GENIE].mean(0))),
        LAST_ACTION: ByHorizon(config.last_action_at, bootstrap.estimate(by_seed[LAST_ACTION].mean(0))),
    }


def _capped(batches: Sequence[BatchNumbers]) -> dict[str, int]:
    """Frames at the cap by row; of the model those of the first seed."""
    found = {}
    for row in batches[0].psnr:
        values = (batch.psnr[row][0] if row == MODEL else batch.psnr[row] for batch in batches)
        found[row] = sum(int((of >= PSNR_CAP_DB).sum()) for of in values)
    return found


def _seeds(by_seed: Mapping[str, np.ndarray], numbers: ClipNumbers, config: EvalConfig) -> dict[str, Any]:
    """Means of each seed, and the standard deviations of these means where there are several."""
    at = config.compare_at
    repeated = numbers.values["psnr"][REPEAT_LAST].mean()
    means = {"psnr": by_seed["psnr"].mean((1, 2)), "ssim": by_seed["ssim"].mean((1, 2))}
    means["gain"] = means["psnr"] - repeated
    if GENIE in by_seed:
        means["delta_psnr.genie"] = by_seed[GENIE][:, :, at - 1].mean(1)
        means["delta_psnr.last_action"] = by_seed[LAST_ACTION][:, :, config.last_action_at.index(at)].mean(1)
    several = len(config.seeds) > 1
    spread = {name: float(values.std(ddof=1)) if several else None for name, values in means.items()}
    return {
        "seeds": list(config.seeds),
        "spread": spread,
        **{name: values.tolist() for name, values in means.items()},
    }


def _confusion(pairs: np.ndarray, count: int) -> list[list[int]]:
    """pairs: int (..., 2), the action given and the one shown -> counts (count, count)."""
    given, shown = pairs.reshape(-1, 2).astype(np.int64).T
    counts: list[list[int]] = np.bincount(given * count + shown, minlength=count**2).reshape(count, count).tolist()
    return counts


def frechet(features: Mapping[str, np.ndarray], episodes: np.ndarray) -> dict[str, Any]:
    """Fréchet distances of the rows from the truth; features (N, H, D) of frames or (N, D) of clips."""
    truth = torch.from_numpy(features[TRUTH])
    by_frame = truth.dim() == 3
    flat = truth.flatten(0, -2)
    per_clip = truth.shape[1] if by_frame else 1
    rows: dict[str, Any] = {}
    if len(truth) >= 2:
        for row, values in features.items():
            if row == TRUTH:
                continue
            given = torch.from_numpy(values)
            rows[row] = {"all": frechet_distance(flat, given.flatten(0, -2))}
            if by_frame:
                rows[row]["by_horizon"] = [frechet_distance(truth[:, t], given[:, t]) for t in range(per_clip)]
    halves_have_two = len(set(episodes.tolist())) >= (2 if per_clip > 1 else 4)
    floor = frechet_floor(flat, np.repeat(episodes, per_clip)) if halves_have_two else None
    return {"rows": rows, "floor": floor, "samples": len(flat)}
