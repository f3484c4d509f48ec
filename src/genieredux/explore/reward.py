"""The papers' reward as mathematics: how unsure a world was of the most uncertain part of a frame.

Knows tensors alone; how the logits come about stands in `watching.py`.
"""

import math

import torch
from torch import Tensor

from genieredux.checking import require
from genieredux.explore.reward_config import TOP


def entropy_reward(logits: Tensor, top: float = TOP) -> Tensor:
    """The mean uncertainty 2H / ln K of the most uncertain tokens (P25 section 4): 0 where the world is sure of them
    all, 2 where it knows nothing.

    logits: float (..., h, w, K), of the distributions of one frame's tokens; any h, w and K >= 2. top: the share of the
    h * w tokens that counts, at least one token. Returns float (...), not rounded (the published code rounds to two
    decimals). Raises UserError for a share outside ]0, 1].

    Most tokens of a frame stand for a background that is easy to foresee; what moves is in the others.
    """
    require(0 < top <= 1, "reward.top", top, "above 0 and at most 1")
    log_p = logits.float().log_softmax(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return top_mean(entropy, top) * (2 / math.log(logits.shape[-1]))


def top_mean(values: Tensor, top: float = TOP) -> Tensor:
    """The mean of the highest `top` of the values (..., h, w), at least of one: (...)."""
    places = values.flatten(-2)
    count = max(1, int(places.shape[-1] * top))
    return places.topk(count, -1).values.mean(-1)


def motion(before: Tensor, after: Tensor) -> Tensor:
    """How much of a picture changed: the mean absolute difference of frames (..., C, H, W) in [0, 1], (...)."""
    return (after - before).abs().mean((-3, -2, -1))


def per_motion(values: Tensor, before: Tensor, after: Tensor, floor: float = 0.01) -> Tensor:
    """The values (...) by the motion of their frames; `floor` keeps a still picture from counting without bound."""
    return values / (motion(before, after) + floor)


class Running:
    """The spread of a stream of numbers, by Welford's way; what rewards are divided by."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0.0, 0.0, 0.0

    def add(self, values: Tensor) -> None:
        """Count more of them, a tensor of any shape."""
        flat = values.double().flatten()
        if not len(flat):
            return
        count, mean = float(len(flat)), float(flat.mean())
        apart = mean - self.mean
        total = self.count + count
        self.squares += float((flat - mean).square().sum()) + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count = total

    @property
    def deviation(self) -> float:
        """The standard deviation so far; 1 before anything varied."""
        return math.sqrt(self.squares / self.count) if self.count and self.squares > 0 else 1.0

    def state(self) -> list[float]:
        """What `restore` takes."""
        return [self.count, self.mean, self.squares]

    def restore(self, state: list[float]) -> None:
        """Go on from `state()`."""
        self.count, self.mean, self.squares = map(float, state)


def discounted_forward(rewards: Tensor, ended: Tensor, discount: float) -> Tensor:
    """What had been earned at every step, earlier rewards discounted: (T, N). Its spread is the scale of rewards, since
    that of returns is what a critic must learn (Burda et al. 2018, 2.4). ended: bool (T, N), an episode ends there."""
    total, sums = torch.zeros_like(rewards[0]), []
    for reward, end in zip(rewards, ended, strict=True):
        total = total * discount + reward
        sums.append(total)
        total = total * ~end
    return torch.stack(sums)
