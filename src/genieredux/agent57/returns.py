"""What a value is trained towards: transformed Retrace, or n steps of double Q-learning. Knows no network.

Sequences are (T, B): step t is a_t taken at x_t, which earned r_t and led to x_(t+1). Values are transformed (h).
"""

import torch
from torch import Tensor

from genieredux.models.agent57.values import inverse_transform, transform


def retrace(
    taken: Tensor,
    expected: Tensor,
    rewards: Tensor,
    discounts: Tensor,
    traces: Tensor,
) -> Tensor:
    """Transformed Retrace (Munos et al. 2016; NGU, appendix E; Agent57, equation 3), (T, B), transformed.

        target_t = h(v_t + sum over s >= t of gamma^(s - t) c_(t+1) ... c_s delta_s)
        delta_s = r_s + gamma_s e_(s+1) - v_s

    taken: Q(x_t, a_t) of the target network, transformed, (T, B). expected: h^-1 of the target network's values at
    x_(t+1) under the target policy, already in the scale of rewards, (T, B). discounts: gamma, 0 where the game ended.
    traces: c_t = lambda min(1, pi(a_t | x_t) / mu(a_t | x_t)), (T, B); that of the first step is not used.
    """
    v = inverse_transform(taken)
    deltas = rewards + discounts * expected - v
    steps = []
    corrections = torch.zeros_like(deltas[0])
    following = torch.cat([traces[1:], torch.zeros_like(traces[:1])])
    for delta, discount, trace in zip(reversed(deltas), reversed(discounts), reversed(following), strict=True):
        corrections = delta + discount * trace * corrections
        steps.append(corrections)
    return transform(v + torch.stack(steps[::-1]))


def n_step(expected: Tensor, rewards: Tensor, discounts: Tensor, valid: Tensor, n: int) -> Tensor:
    """n steps of double Q-learning (R2D2, section 2.3), (T, B), transformed; fewer where the sequence ends sooner.

        target_t = h(r_t + gamma r_(t+1) + ... + gamma^n e_(t+n))

    expected: h^-1 of the target network's value, at x_(t+1), of the action that the online network prefers (T, B).
    discounts: gamma, 0 where the game ended. valid: which steps are in the sequence, a beginning of it, bool (T, B).
    """
    targets = expected * discounts + rewards
    for _ in range(n - 1):
        # one step more where there is one: r_t + gamma_t (what step t + 1 is worth so)
        later = torch.cat([targets[1:], torch.zeros_like(targets[:1])])
        has_later = torch.cat([valid[1:], torch.zeros_like(valid[:1])])
        targets = torch.where(has_later, rewards + discounts * later, rewards + discounts * expected)
    return transform(targets)


def traces_of(greedy: Tensor, actions: Tensor, behaviour: Tensor, decay: float) -> Tensor:
    """c = lambda min(1, pi(a | x) / mu(a | x)) of a greedy target policy: lambda where a is greedy, else 0, (T, B).

    greedy, actions: the greedy action and that taken. behaviour: mu, the chance that it was taken.
    """
    return decay * torch.where(greedy == actions, (1 / behaviour).clamp(max=1.0), torch.zeros_like(behaviour))


def behaviour_probability(greedy: bool, epsilon: float, num_actions: int) -> float:
    """mu(a | x) of an epsilon-greedy policy, for the greedy action and for another; a random draw may be greedy too."""
    return (1 - epsilon) * greedy + epsilon / num_actions


def sequence_priority(errors: Tensor, valid: Tensor, share: float) -> Tensor:
    """share * max |error| + (1 - share) * mean |error| over the steps of each sequence (R2D2, section 2.3), (B,).

    errors: (T, B). valid: bool (T, B).
    """
    sizes = torch.where(valid, errors.abs(), torch.zeros_like(errors))
    return share * sizes.amax(0) + (1 - share) * sizes.sum(0) / valid.sum(0).clamp(min=1)
