"""Which actions are replaced, and by what, to ask whether a world obeys. Seeded per clip; it knows no world.

A clip of P prompt frames and N predicted ones has P - 1 + N actions. The first P - 1 lead from one given
frame to the next and are never touched: they describe what the world was shown. The action that leads to
predicted frame t (t = 1 .. N) has index P - 2 + t.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_ROLLOUT, _GENIE, _LAST = 0, 1, 2  # what a per-clip seed is for


def clip_seed(seed: int, clip: int) -> int:
    """The seed (below 2^31) of the sampling noise of one clip: a function of (evaluation seed, clip index)
    only.
    """
    return int(_rng(seed, clip, _ROLLOUT).integers(2**31))


def random_sequence(actions: Tensor, prompt_frames: int, num_actions: int, seed: int, clips: Sequence[int]) -> Tensor:
    """Genie's counterfactual (2402.15391 section 3): every action that leads to a predicted frame is drawn
    anew, uniformly from all (so it may happen to be the true one).

    actions: int64 (B, P - 1 + N) of the clips with these indices in their test set -> the same shape.
    """
    replaced = actions.clone()
    first = prompt_frames - 1
    for row, clip in enumerate(clips):
        drawn = _rng(seed, clip, _GENIE).integers(num_actions, size=actions.shape[1] - first)
        replaced[row, first:] = torch.from_numpy(drawn)
    return replaced


def other_last_action(
    actions: Tensor, prompt_frames: int, t: int, num_actions: int, seed: int, clips: Sequence[int]
) -> Tensor:
    """The published protocol's counterfactual at horizon t: only the action that leads to predicted frame t
    is replaced, by a uniformly drawn different one; the actions before it are the true ones.

    actions: int64 (B, P - 1 + N) -> int64 (B, P - 1 + t), cut after the replaced action. num_actions >= 2.
    """
    replaced = actions[:, : prompt_frames - 1 + t].clone()
    for row, clip in enumerate(clips):
        shift = int(_rng(seed, clip, _LAST, t).integers(1, num_actions))
        replaced[row, -1] = (replaced[row, -1] + shift) % num_actions
    return replaced


def _rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)
