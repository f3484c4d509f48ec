"""What the agent learns from: segments of a rollout, padded to one length and masked, each after the steps on which the
memory is burnt in. Knows tensors, no game and no world.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genieredux.explore.network import State


@dataclass(frozen=True)
class Experience:
    """T steps of N environments as tensors on the host; all begin with an episode's first frame.

    frames: uint8 (T, N, 3, H, W). before: int64 (T, N), the action before each frame, -1 at an episode's first.
    actions: int64 (T, N), taken at the frame. begun: bool (T, N). chances: float32 (T, N), log of the probability with
    which the action was drawn, random ones included. advantages, returns: float32 (T, N). counts: bool (T, N), the step
    may be learned from. hidden, cell: float32 (T, N, M), the memory before each frame.
    """

    frames: Tensor
    before: Tensor
    actions: Tensor
    begun: Tensor
    chances: Tensor
    advantages: Tensor
    returns: Tensor
    counts: Tensor
    hidden: Tensor
    cell: Tensor


@dataclass(frozen=True)
class Segment:
    """B segments of burn + L steps: frames, before and begun of all of them, (burn + L, B, ...); everything else of the
    last L, (L, B). state: the memory before the first step. mask: bool (L, B), what is learned from: no padding."""

    frames: Tensor
    before: Tensor
    begun: Tensor
    state: State
    actions: Tensor
    chances: Tensor
    advantages: Tensor
    returns: Tensor
    mask: Tensor


def starts_of(steps: int, envs: int, length: int) -> list[tuple[int, int]]:
    """(t, n) where each segment begins: every step is in exactly one."""
    return [(t, n) for n in range(envs) for t in range(0, steps, length)]


def cut(experience: Experience, starts: list[tuple[int, int]], length: int, burn: int) -> Segment:
    """The segments that begin at `starts`, with up to `burn` steps before each.

    Near the beginning of the rollout there are fewer: its first frame, at which every episode begins, is repeated on
    the left, and the memory begins anew at it. On the right the last frame is repeated, and the mask leaves it out.
    """
    steps = len(experience.actions)
    wanted = torch.tensor([[t + k for t, _ in starts] for k in range(-burn, length)])
    at, envs = wanted.clamp(0, steps - 1), torch.tensor([n for _, n in starts])
    first = torch.tensor([max(0, t - burn) for t, _ in starts])
    own = at[burn:]
    return Segment(
        experience.frames[at, envs],
        experience.before[at, envs],
        experience.begun[at, envs],
        (experience.hidden[first, envs], experience.cell[first, envs]),
        experience.actions[own, envs],
        experience.chances[own, envs],
        experience.advantages[own, envs],
        experience.returns[own, envs],
        experience.counts[own, envs] & (wanted[burn:] < steps),
    )


def batches(
    experience: Experience, length: int, burn: int, size: int, count: int, rng: np.random.Generator
) -> Iterator[Segment]:
    """`count` batches of `size` segments; every segment once, in random order, before any comes again."""
    steps, envs = experience.actions.shape
    starts = starts_of(steps, envs, length)
    order: list[int] = []
    for _ in range(count):
        while len(order) < min(size, len(starts)):
            order += rng.permutation(len(starts)).tolist()
        rows, order = order[:size], order[size:]
        yield cut(experience, [starts[row] for row in rows], length, burn)
