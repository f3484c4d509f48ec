"""A world: what it dreams under the true actions and under others, beside what needs no dynamics.

All rollouts of a clip share one seed (common random numbers); a rollout and its counterfactual have the same length and
the same sampling. Knows a world only through `models.world.protocol.World`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genieredux.evaluation.clips.counterfactual import clip_seed, other_last_action, random_sequence
from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.rows import (
    ACTIONS,
    COUNTERFACTUAL,
    ENTROPY,
    MODEL,
    RANDOM_ACTIONS,
    REPEAT_LAST,
    TOKENIZER_ONLY,
    TOKENS,
    TRUTH,
)
from genieredux.evaluation.subjects.drawn import Batch, Drawn, require_numbers
from genieredux.models.sampling import Sampling
from genieredux.models.world.protocol import Rollout, World


class WorldSubject:
    """Rows: `model`, `repeat_last`, `tokenizer_only` (the truth, encoded and decoded), `random_actions`.

    sampling: how the world draws tokens, the same in every rollout; None: its default.
    """

    main, baseline = MODEL, REPEAT_LAST
    static = frozenset({REPEAT_LAST, TOKENIZER_ONLY, TRUTH})

    def __init__(self, world: World, config: EvalConfig, sampling: Sampling | None = None) -> None:
        self.world, self.config, self.sampling = world, config, sampling
        offers = {MODEL, REPEAT_LAST, TOKENIZER_ONLY, ENTROPY, TOKENS, ACTIONS}
        self.offers = frozenset(offers | ({RANDOM_ACTIONS, COUNTERFACTUAL} if config.eval_control else set()))

    @torch.inference_mode()
    def draw(self, batch: Batch, seed: int, number: int = 0) -> Drawn:
        """See Subject."""
        actions = batch.taken
        seeds = [clip_seed(seed, clip) for clip in batch.indices]
        dreamed = self.roll(batch.prompt, actions, seeds)
        true_tokens = self._true_tokens(batch)
        rows: dict[str, Any] = {
            MODEL: dreamed.frames,
            REPEAT_LAST: batch.repeated,
            TOKENIZER_ONLY: lambda clips: self._decoded(batch, true_tokens, clips),
        }
        given, cut = {}, {}
        if self.config.eval_control:
            count = len(self.world.action_names)
            given[RANDOM_ACTIONS] = random_sequence(actions, batch.prompt_frames, count, seed, batch.indices)
            rows[RANDOM_ACTIONS] = self.roll(batch.prompt, given[RANDOM_ACTIONS], seeds).frames
            cut = self._last_actions(batch, dreamed, seed, seeds)
        return Drawn(
            batch=batch,
            rows=rows,
            predicted=(MODEL, REPEAT_LAST, TOKENIZER_ONLY),
            static=self.static,
            actions=given,
            entropy=dreamed.entropy,
            tokens=dreamed.tokens,
            true_tokens=true_tokens,
            cut=cut,
            number=number,
        )

    def roll(self, prompt: Tensor, actions: Tensor, seeds: Sequence[int]) -> Rollout:
        """A rollout on the CPU. Raises UserError where it is not made of numbers."""
        dreamed = self.world.rollout(prompt, actions, seeds, self.sampling)
        frames = require_numbers("The world dreams pixels", dreamed.frames.cpu())
        entropy = require_numbers("The world gives entropies", dreamed.entropy.cpu())
        return Rollout(frames, dreamed.tokens.cpu(), entropy)

    def _last_actions(
        self, batch: Batch, dreamed: Rollout, seed: int, seeds: Sequence[int]
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """For each horizon of `last_action`, its frame under the true actions and under another last one, from rollouts
        of the same length.
        """
        actions, given, count = batch.taken, batch.prompt_frames, len(self.world.action_names)
        cut = {}
        for t in self.config.last_action_at:
            replaced = other_last_action(actions, given, t, count, seed, batch.indices)
            true = dreamed.frames[:, t - 1]
            if t != self.config.horizon and not begins_alike(self.world, self.sampling, t):
                true = self.roll(batch.prompt, actions[:, : given - 1 + t], seeds).frames[:, -1]
            cut[t] = true, self.roll(batch.prompt, replaced, seeds).frames[:, -1]
        return cut

    def _true_tokens(self, batch: Batch) -> Tensor:
        """Of all true frames, int64 (B, P + N, h, w), on the CPU."""
        if batch.known is not None:
            return torch.from_numpy(batch.known.tokens.astype(np.int64))
        return self.world.encode(batch.as_floats).cpu()

    def _decoded(self, batch: Batch, tokens: Tensor, clips: Sequence[int]) -> Tensor:
        """What the tokenizer makes of the predicted frames of some clips."""
        rows = slice(None) if len(clips) == len(tokens) else list(clips)
        frames = redrawn(self.world, batch, tokens, rows)
        return require_numbers("The world decodes pixels", frames)


def redrawn(world: World, batch: Batch, tokens: Tensor, rows: Any = slice(None)) -> Tensor:
    """What a world draws of the true tokens (B, P + N, h, w) of some clips: the predicted frames, on the CPU."""
    first = batch.as_floats[rows, 0]
    return world.decode(tokens[rows], batch.taken[rows], first).cpu()[:, batch.prompt_frames :]


def begins_alike(world: World, sampling: Sampling | None, t: int) -> bool:
    """Whether a rollout of t frames is known to be the beginning of a longer one: frames are drawn in order, and t of
    them make whole steps. Frames that are drawn together may depend on how many there are.
    """
    how = sampling or world.sampling
    return how is not None and how.method == "autoregressive" and t % how.dream_length == 0
