"""What is measured of one batch of clips: dreams, their counterfactuals, and how far all of it is from the truth.

All rollouts of a clip share one seed (common random numbers); a rollout and its counterfactual have the same length
and the same sampling. Works in any process: takes and gives arrays. Knows a world only through
`models.protocol.World`, and no average over clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.calibration import TokenErrors, chosen_clips, token_errors
from genieredux.evaluation.clips import Clips, to_float, to_uint8
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.counterfactual import clip_seed, other_last_action, random_sequence
from genieredux.evaluation.kept import KeptClips, candidates
from genieredux.evaluation.metrics import capped, psnr, ssim
from genieredux.evaluation.probes import Looked, Probes, Seen
from genieredux.evaluation.truth import TrueNumbers
from genieredux.models.world.protocol import Rollout, World

MODEL, REPEAT_LAST, TOKENIZER_ONLY = "model", "repeat_last", "tokenizer_only"
ROWS = (MODEL, REPEAT_LAST, TOKENIZER_ONLY)


@dataclass(frozen=True)
class Bench:
    """What a process measures with."""

    world: World
    probes: Probes


@dataclass(frozen=True)
class Task:
    """One batch. indices: of its clips among the `count` of the test set. frames: uint8 (B, T, H, W, 3), actions: int64
    (B, T-1). truth: what is known of the true frames already.
    """

    indices: range
    count: int
    frames: np.ndarray
    actions: np.ndarray
    config: EvalConfig
    sampling: Any
    truth: TrueNumbers | None = None

    @classmethod
    def split(cls, clips: Clips, config: EvalConfig, sampling: Any, truth: TrueNumbers | None) -> list["Task"]:
        """The tasks of a test set, in order."""
        found = []
        for start in range(0, len(clips), config.batch_size):
            stop = min(start + config.batch_size, len(clips))
            frames = clips.frames[start:stop, : config.clip_length]
            actions = clips.actions[start:stop, : config.clip_length - 1].astype(np.int64)
            known = truth.rows(start, stop) if truth is not None else None
            found.append(cls(range(start, stop), len(clips), frames, actions, config, sampling, known))
        return found


@dataclass(frozen=True)
class BatchNumbers:
    """Per clip: psnr (dB, infinite where exact) and ssim by row; (S, B, N) for the model, S seeds, else (B, N).

    genie (S, B, N), last_action (S, B, K): delta PSNR in dB, None where it was not asked. entropy: (B, N), nats.
    """

    psnr: dict[str, np.ndarray]
    ssim: dict[str, np.ndarray]
    genie: np.ndarray | None
    last_action: np.ndarray | None
    entropy: np.ndarray
    truth: TrueNumbers
    tokens: TokenErrors | None
    kept: KeptClips | None
    looked: Looked

    def without_pictures(self) -> "BatchNumbers":
        """The numbers alone, for all batches are held until the end of a test set."""
        return replace(self, kept=None)


@dataclass(frozen=True)
class _Dreams:
    """The rollouts of one seed."""

    true: Rollout
    random: Rollout | None
    random_actions: Tensor | None


@torch.inference_mode()
def measure_batch(bench: Bench, task: Task) -> BatchNumbers:
    """Raises UserError where the world dreams what is no number."""
    config, world = task.config, bench.world
    frames, actions = to_float(task.frames), torch.from_numpy(task.actions)
    prompt, truth = frames[:, : config.prompt_frames], frames[:, config.prompt_frames :]
    first: _Dreams | None = None
    model_psnr, model_ssim, genie, last = [], [], [], []
    for seed in config.seeds:
        dreams = _dream(world, task, prompt, actions, seed)
        first = first or dreams
        model_psnr.append(psnr(dreams.true.frames, truth))
        model_ssim.append(ssim(dreams.true.frames, truth))
        if dreams.random is not None:
            genie.append(capped(model_psnr[-1]) - capped(psnr(dreams.random.frames, truth)))
            last.append(_last_action(world, task, prompt, truth, actions, model_psnr[-1], seed))
    assert first is not None
    true_numbers, reconstructed = _of_truth(bench, task, frames)
    quality = {MODEL: torch.stack(model_psnr), **_tensors(true_numbers.psnr)}
    gain = _mean(model_psnr[0]) - _mean(quality[REPEAT_LAST])
    rows = candidates(task.indices, task.count, config.keep_clips, config.keep_extremes, gain)
    return BatchNumbers(
        psnr={name: values.numpy() for name, values in quality.items()},
        ssim={MODEL: torch.stack(model_ssim).numpy(), **true_numbers.ssim},
        genie=torch.stack(genie).numpy() if genie else None,
        last_action=torch.stack(last).numpy() if last else None,
        entropy=first.true.entropy.float().mean((2, 3)).numpy(),
        truth=true_numbers,
        tokens=_tokens(task, truth, first.true, true_numbers),
        kept=_keep(task, rows, first, model_psnr[0], gain, _drawn(bench, task, rows, reconstructed))
        if len(rows)
        else None,
        looked=bench.probes.look(_seen(task, prompt, truth, first, reconstructed)),
    )


def _dream(world: World, task: Task, prompt: Tensor, actions: Tensor, seed: int) -> _Dreams:
    config = task.config
    seeds = [clip_seed(seed, clip) for clip in task.indices]
    true = roll(world, prompt, actions, seeds, task.sampling)
    if not config.eval_control:
        return _Dreams(true, None, None)
    other = random_sequence(actions, config.prompt_frames, len(world.action_names), seed, task.indices)
    return _Dreams(true, roll(world, prompt, other, seeds, task.sampling), other)


def roll(world: World, prompt: Tensor, actions: Tensor, seeds: Sequence[int], sampling: Any) -> Rollout:
    """A rollout on the CPU. Raises UserError where it is not made of numbers."""
    dreamed = world.rollout(prompt, actions, seeds, sampling)
    frames = dreamed.frames.cpu()
    if not torch.isfinite(frames).all():
        raise UserError(
            "The world dreams pixels that are not numbers (NaN): its weights are damaged; use another checkpoint."
        )
    return Rollout(frames, dreamed.tokens.cpu(), dreamed.entropy.cpu())


def _last_action(
    world: World, task: Task, prompt: Tensor, truth: Tensor, actions: Tensor, quality: Tensor, seed: int
) -> Tensor:
    """The `last_action` delta PSNR (B, K) at each of its horizons; quality: (B, N) of the whole true rollout."""
    config, given = task.config, task.config.prompt_frames
    seeds = [clip_seed(seed, clip) for clip in task.indices]
    found = []
    for t in config.last_action_at:
        replaced = other_last_action(actions, given, t, len(world.action_names), seed, task.indices)
        at_t = quality[:, t - 1]
        if t != config.horizon and not begins_alike(world, task.sampling, t):
            cut = roll(world, prompt, actions[:, : given - 1 + t], seeds, task.sampling)
            at_t = psnr(cut.frames[:, -1], truth[:, t - 1])
        other = roll(world, prompt, replaced, seeds, task.sampling)
        found.append(capped(at_t) - capped(psnr(other.frames[:, -1], truth[:, t - 1])))
    return torch.stack(found, 1)


def begins_alike(world: World, sampling: Any, t: int) -> bool:
    """Whether a rollout of t frames is known to be the beginning of a longer one: frames are drawn in order, and t of
    them make whole steps. Frames that are drawn together may depend on how many there are.
    """
    sampling = getattr(world, "sampling", None) if sampling is None else sampling
    in_order = getattr(sampling, "method", None) == "autoregressive"
    return in_order and t % getattr(sampling, "dream_length", 1) == 0


def _of_truth(bench: Bench, task: Task, frames: Tensor) -> tuple[TrueNumbers, Tensor | None]:
    """What concerns the true frames alone, and the tokenizer's drawing of those predicted where somebody looks."""
    given, horizon = task.config.prompt_frames, task.config.horizon
    truth, known = frames[:, given:], task.truth
    if known is not None and not bench.probes:
        return known, None
    tokens = bench.world.encode(frames).cpu() if known is None else torch.from_numpy(known.tokens.astype(np.int64))
    reconstructed = bench.world.decode(tokens).cpu()[:, given:]
    if known is not None:
        return known, reconstructed
    repeated = frames[:, given - 1 : given].expand(-1, horizon, -1, -1, -1)
    rows = {REPEAT_LAST: repeated, TOKENIZER_ONLY: reconstructed}
    return TrueNumbers(
        tokens=tokens.numpy().astype(np.int32),
        psnr={name: psnr(drawn, truth).numpy() for name, drawn in rows.items()},
        ssim={name: ssim(drawn, truth).numpy() for name, drawn in rows.items()},
    ), reconstructed


def _tokens(task: Task, truth: Tensor, dreamed: Rollout, known: TrueNumbers) -> TokenErrors | None:
    rows = np.flatnonzero(np.isin(np.asarray(task.indices), chosen_clips(task.count)))
    if not len(rows):
        return None
    true = torch.from_numpy(known.tokens[rows, task.config.prompt_frames :].astype(np.int64))
    found: TokenErrors = token_errors(
        np.asarray(task.indices)[rows],
        dreamed.frames[rows],
        dreamed.tokens[rows],
        dreamed.entropy[rows],
        truth[rows],
        true,
    )
    return found


def _drawn(bench: Bench, task: Task, rows: np.ndarray, reconstructed: Tensor | None) -> Tensor:
    """What the tokenizer makes of the predicted frames of some clips, drawn now where it was not needed so far."""
    if reconstructed is not None:
        return reconstructed[rows]
    assert task.truth is not None  # it was all known, so nothing was drawn
    tokens = torch.from_numpy(task.truth.tokens[rows].astype(np.int64))
    return bench.world.decode(tokens).cpu()[:, task.config.prompt_frames :]


def _keep(
    task: Task, rows: np.ndarray, dreams: _Dreams, quality: Tensor, gain: np.ndarray, tokenized: Tensor
) -> KeptClips:
    """The clips of this batch that pictures may show."""
    given = task.frames[rows, : task.config.prompt_frames]

    def after_prompt(predicted: Tensor) -> np.ndarray:
        return np.concatenate([given, to_uint8(predicted)], 1)

    other = after_prompt(dreams.random.frames[rows]) if dreams.random is not None else task.frames[rows, :0]
    return KeptClips(
        index=np.asarray(task.indices)[rows],
        truth=task.frames[rows],
        model=after_prompt(dreams.true.frames[rows]),
        tokenizer_only=after_prompt(tokenized),
        random_actions=other,
        entropy=dreams.true.entropy[rows].float().numpy(),
        actions=task.actions[rows],
        psnr=quality[rows].numpy(),
        gain=gain[rows],
    )


def _seen(task: Task, prompt: Tensor, truth: Tensor, dreams: _Dreams, reconstructed: Tensor | None) -> Seen:
    repeated = prompt[:, -1:].expand_as(truth)
    rows = {MODEL: dreams.true.frames, REPEAT_LAST: repeated}
    if reconstructed is not None:
        rows[TOKENIZER_ONLY] = reconstructed
    return Seen(
        prompt=prompt,
        truth=truth,
        true_frames=task.frames[:, task.config.prompt_frames :],
        rows=rows,
        actions=torch.from_numpy(task.actions),
        random=dreams.random.frames if dreams.random is not None else None,
        random_actions=dreams.random_actions,
    )


def _mean(quality: Tensor) -> np.ndarray:
    mean: np.ndarray = capped(quality).mean(1).numpy()
    return mean


def _tensors(values: dict[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in values.items()}
