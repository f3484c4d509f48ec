"""A long dream: rollouts of a hundred frames and more beside long pieces of true episodes, and how long they stay true.

Besides the usual baselines there is `random_frame`: at every step any frame of another episode of the same game, what a
dream is worth that has forgotten where it was.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate
from genieredux.evaluation.clips import Clips
from genieredux.evaluation.clips.counterfactual import clip_seed
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.rows import ENTROPY, MODEL, RANDOM_FRAME, REPEAT_LAST, TOKENIZER_ONLY, TRUTH
from genieredux.evaluation.subjects.drawn import Batch, Drawn
from genieredux.evaluation.subjects.world import WorldSubject, redrawn
from genieredux.frames import to_float

SMOOTHED = 10
SHOWN = 2
"""Clips whose frames are kept."""
_PURPOSE = 7  # of the seeds that choose random frames


class LongDream:
    """A world over `drift_frames` frames. Rows: those of a world without other actions, and `random_frame`."""

    main, baseline = MODEL, REPEAT_LAST
    static = frozenset({REPEAT_LAST, TOKENIZER_ONLY, TRUTH})
    offers = frozenset({MODEL, REPEAT_LAST, TOKENIZER_ONLY, RANDOM_FRAME, ENTROPY})

    def __init__(self, world: WorldSubject) -> None:
        self._world = world

    @torch.inference_mode()
    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """See Subject."""
        world = self._world
        seeds = [clip_seed(seed, clip) for clip in batch.indices]
        dreamed = world.roll(batch.prompt, batch.taken, seeds)
        assert batch.others is not None  # `batches_with` puts them there
        decoded = redrawn(world.world, batch, world.world.encode(batch.as_floats))
        return Drawn(
            batch=batch,
            rows={
                MODEL: dreamed.frames,
                REPEAT_LAST: batch.repeated,
                TOKENIZER_ONLY: decoded,
                RANDOM_FRAME: to_float(batch.others),
            },
            predicted=(MODEL, REPEAT_LAST, TOKENIZER_ONLY, RANDOM_FRAME),
            entropy=dreamed.entropy,
            number=number,
        )


def long_config(config: EvalConfig) -> EvalConfig:
    """The configuration by which long dreams are cut into batches: as many frames a batch as usual, one seed."""
    length = config.prompt_frames + config.drift_frames
    return replace(
        config,
        horizon=config.drift_frames,
        num_frames=None,
        compare_at=1,
        last_action_horizons=(),
        batch_size=max(1, config.batch_size * config.clip_length // length),  # the memory of a usual batch
        sampling_seeds=1,
        keep_clips=SHOWN,
        keep_extremes=0,
    )


def random_frames(clips: Clips, config: EvalConfig) -> Callable[[Sequence[int]], np.ndarray]:
    """For some clips, uint8 (B, D, H, W, 3): at every step a frame of another episode of their game; of another game
    where theirs has one episode, of themselves where there is no other clip.
    """
    games = np.array([clips.origin(clip).game for clip in range(len(clips))])
    frames = config.drift_frames

    def pool(clip: int) -> np.ndarray:
        elsewhere = clips.episodes != clips.episodes[clip]
        of_game = np.flatnonzero(elsewhere & (games == games[clip]))
        return next(found for found in (of_game, np.flatnonzero(elsewhere), np.array([clip])) if len(found))

    def choose(indices: Sequence[int]) -> np.ndarray:
        rows = []
        for clip in indices:
            rng = np.random.default_rng((config.seed, clip, _PURPOSE))
            rows.append(clips.frames[rng.choice(pool(clip), frames), rng.integers(clips.length, size=frames)])
        return np.stack(rows)

    return choose


def how_long(values: Mapping[str, Mapping[str, np.ndarray]], bootstrap: EpisodeBootstrap) -> dict[str, Any]:
    """{better, half_sharp_from, smoothed}. values: metric -> row -> (N, D).

    better: baseline -> {from, until} of the longest stretch of horizons over which the interval of the gain, averaged
    over `smoothed` frames, lies above 0, or None; until = D: not lost. half_sharp_from: the first horizon from which
    the dream has less than a quarter of the truth's gradient energy, which is half of its steps; None: never.
    """
    sharp, gain = values["sharpness"], values["gain"]
    smoothed = min(SMOOTHED, sharp[MODEL].shape[1])
    half_sharp = np.flatnonzero(_smooth(sharp[MODEL].mean(0) - sharp[TRUTH].mean(0) / 4, smoothed) < 0)
    return {
        "better": {row: _better(bootstrap.estimate(_smooth(of, smoothed)), smoothed) for row, of in gain.items()},
        "half_sharp_from": int(half_sharp[0]) + 1 if len(half_sharp) else None,
        "smoothed": smoothed,
    }


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


def _better(smoothed_gain: Estimate, frames: int) -> dict[str, int] | None:
    run = longest_above(smoothed_gain.low)
    return None if run is None else {"from": run[0] + 1, "until": run[1] + frames}


def _smooth(values: np.ndarray, frames: int) -> np.ndarray:
    """Means over `frames` consecutive horizons, (..., D) -> (..., D - frames + 1)."""
    return np.lib.stride_tricks.sliding_window_view(values, frames, axis=-1).mean(-1)
