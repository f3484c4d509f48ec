"""How true and how controllable a world is, on clips of true play.

Every number is measured per clip and only then averaged, so that no batch size weighs in. All rollouts of a
clip share one seed (common random numbers); a rollout and its counterfactual have the same length and the
same sampling. It knows a world only through `models.protocol.World`, and no file.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.counterfactual import clip_seed, other_last_action, random_sequence
from genieredux.evaluation.metrics import PSNR_CAP_DB, capped, psnr, ssim
from genieredux.evaluation.results import (
    GENIE,
    LAST_ACTION,
    MODEL,
    REPEAT_LAST,
    ROWS,
    TOKENIZER_ONLY,
    ByHorizon,
    Evaluation,
    KeptClips,
    SetResult,
)
from genieredux.models.protocol import Rollout, World

Progress = Callable[[int, int, str], None]  # clips done, clips in all, test set


@torch.inference_mode()
def evaluate(
    world: World,
    test_sets: Mapping[str, Clips],
    config: EvalConfig | None = None,
    sampling: Any = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure `world` on every test set. The same arguments give the same result, to the bit.

    sampling: how the world draws tokens, handed to `World.rollout` for every rollout alike (None: its
    default). progress: called after each batch with (clips done, clips in all, name of the test set). Raises
    UserError for clips that the world or the configuration cannot use.
    """
    config = config or EvalConfig()
    if not test_sets:
        raise UserError("Nothing to evaluate: no test set was given.")
    for name, clips in test_sets.items():
        _check(world, name, clips, config)
    total, done = sum(len(clips) for clips in test_sets.values()), 0
    sets, seconds = {}, {}
    for name, clips in test_sets.items():
        began = time.perf_counter()
        measured = []
        for start in range(0, len(clips), config.batch_size):
            indices = range(start, min(start + config.batch_size, len(clips)))
            measured.append(_measure(world, clips, indices, config, sampling))
            done += len(indices)
            if progress is not None:
                progress(done, total, name)
        sets[name] = _summarise(measured, clips, config)
        seconds[name] = time.perf_counter() - began
    return Evaluation(config, sets, seconds)


@dataclass(frozen=True)
class _Measured:
    """Numbers of one batch: per clip and horizon (B, N), by row or definition; and the frames to keep, if
    any.
    """

    psnr: dict[str, Tensor]
    ssim: dict[str, Tensor]
    genie: Tensor
    last_action: Tensor  # (B, number of horizons)
    kept: KeptClips | None


def _measure(world: World, clips: Clips, indices: range, config: EvalConfig, sampling: Any) -> _Measured:
    frames, actions = clips.batch(indices.start, indices.stop)
    given, horizon = config.prompt_frames, config.horizon
    frames, actions = frames[:, : config.clip_length], actions[:, : config.clip_length - 1]
    prompt, truth = frames[:, :given], frames[:, given:]
    seeds = [clip_seed(config.seed, clip) for clip in indices]

    def roll(with_actions: Tensor) -> Rollout:
        return world.rollout(prompt, with_actions, seeds, sampling)

    dreamed = roll(actions)
    if not torch.isfinite(dreamed.frames).all():
        raise UserError(
            "The world dreams pixels that are not numbers (NaN): its weights are damaged; use another checkpoint."
        )
    other = roll(random_sequence(actions, given, len(world.action_names), config.seed, indices))
    reconstructed = world.decode(world.encode(frames))[:, given:]
    rows = {
        MODEL: dreamed.frames.cpu(),
        REPEAT_LAST: prompt[:, -1:].expand(-1, horizon, -1, -1, -1),
        TOKENIZER_ONLY: reconstructed.cpu(),
    }
    quality = {name: psnr(rows[name], truth) for name in ROWS}
    last_action = []
    for t in config.last_action_at:
        true_actions = actions[:, : given - 1 + t]
        replaced = other_last_action(actions, given, t, len(world.action_names), config.seed, indices)
        # A world that predicts many frames at once may see later actions: cut the true rollout to t as well.
        at_t = (
            quality[MODEL][:, t - 1] if t == horizon else psnr(roll(true_actions).frames.cpu()[:, -1], truth[:, t - 1])
        )
        last_action.append(capped(at_t) - capped(psnr(roll(replaced).frames.cpu()[:, -1], truth[:, t - 1])))
    return _Measured(
        psnr=quality,
        ssim={name: ssim(rows[name], truth) for name in ROWS},
        genie=capped(quality[MODEL]) - capped(psnr(other.frames.cpu(), truth)),
        last_action=torch.stack(last_action, 1),
        kept=_keep(clips, indices, config, frames, rows, dreamed, other, quality[MODEL]),
    )


def _keep(
    clips: Clips,
    indices: range,
    config: EvalConfig,
    frames: Tensor,
    rows: Mapping[str, Tensor],
    dreamed: Rollout,
    other: Rollout,
    quality: Tensor,
) -> KeptClips | None:
    """The clips of this batch that pictures will show, or None."""
    wanted = np.unique(np.linspace(0, len(clips) - 1, min(config.keep_clips, len(clips))).round().astype(int))
    index = wanted[(wanted >= indices.start) & (wanted < indices.stop)]
    if not len(index):
        return None
    of = torch.from_numpy(index - indices.start)
    prompt = frames[of, : config.prompt_frames]

    def after_prompt(predicted: Tensor) -> np.ndarray:
        return to_uint8(torch.cat([prompt, predicted.cpu()[of]], 1))

    return KeptClips(
        index=index,
        truth=to_uint8(frames[of]),
        model=after_prompt(rows[MODEL]),
        tokenizer_only=after_prompt(rows[TOKENIZER_ONLY]),
        random_actions=after_prompt(other.frames),
        entropy=dreamed.entropy.float().cpu()[of].numpy(),
        actions=clips.actions[index][:, : config.clip_length - 1],
        psnr=quality[of].numpy(),
    )


def _summarise(measured: list[_Measured], clips: Clips, config: EvalConfig) -> SetResult:
    bootstrap = EpisodeBootstrap(clips.episodes, config.resamples, config.interval, config.seed)
    all_horizons = tuple(range(1, config.horizon + 1))

    def estimate(values: np.ndarray, horizons: tuple[int, ...] = all_horizons) -> ByHorizon:
        return ByHorizon(horizons, bootstrap.estimate(values))

    raw = {name: _cat([batch.psnr[name] for batch in measured]) for name in ROWS}
    decibel = {name: np.minimum(values, PSNR_CAP_DB) for name, values in raw.items()}
    gain = decibel[MODEL] - decibel[REPEAT_LAST]
    kept = [batch.kept for batch in measured if batch.kept is not None]
    return SetResult(
        clips=len(clips),
        episodes=bootstrap.episodes,
        psnr={name: estimate(values) for name, values in decibel.items()},
        ssim={name: estimate(_cat([batch.ssim[name] for batch in measured])) for name in ROWS},
        gain=estimate(gain),
        gain_average=bootstrap.estimate(gain.mean(1)),
        delta_psnr={
            GENIE: estimate(_cat([batch.genie for batch in measured])),
            LAST_ACTION: estimate(_cat([batch.last_action for batch in measured]), config.last_action_at),
        },
        capped_frames={name: int((values >= PSNR_CAP_DB).sum()) for name, values in raw.items()},
        kept=_join(kept) if kept else None,
    )


def _cat(batches: list[Tensor]) -> np.ndarray:
    return torch.cat(batches).numpy()


def _join(kept: list[KeptClips]) -> KeptClips:
    names = list(KeptClips.__dataclass_fields__)
    return KeptClips(**{name: np.concatenate([getattr(part, name) for part in kept]) for name in names})


def to_uint8(frames: Tensor) -> np.ndarray:
    """Frames (..., C, H, W) in [0, 1] as uint8 (..., H, W, C)."""
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def _check(world: World, name: str, clips: Clips, config: EvalConfig) -> None:
    if not len(clips):
        raise UserError(f"Test set {name} has no clip: collect test episodes first.")
    if clips.length < config.clip_length:
        raise UserError(
            f"Test set {name} has clips of {clips.length} frames; {config.prompt_frames} prompt frames and a "
            f"horizon of {config.horizon} need {config.clip_length}. Lower eval.horizon to "
            f"{max(clips.length - config.prompt_frames, 1)} or cut longer clips."
        )
    if clips.frames.shape[2:4] != (world.image_size, world.image_size):
        height, width = clips.frames.shape[2:4]
        raise UserError(
            f"Test set {name} has frames of {width}x{height} pixels, the world draws {world.image_size}x"
            f"{world.image_size}: evaluate on a data set of its size."
        )
    if len(world.action_names) < 2:
        raise UserError("A world with a single action has no control to measure.")
    top = int(clips.actions.max())
    if top >= len(world.action_names) or int(clips.actions.min()) < 0:
        raise UserError(
            f"Test set {name} has action {top}, the world knows 0 to {len(world.action_names) - 1} "
            f"({', '.join(world.action_names)}): evaluate on data with the world's actions."
        )
