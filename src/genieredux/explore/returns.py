"""From rewards and values to advantages and lambda-returns (Schulman et al. 2016). Mathematics of (T, N) tensors."""

import torch
from torch import Tensor


def advantages(
    rewards: Tensor, values: Tensor, next_values: Tensor, ended: Tensor, discount: float, trace: float
) -> Tensor:
    """Generalised advantages, float32 (T, N): A_t = d_t + discount * trace * A_{t+1}, cut where an episode ended, with
    d_t = r_t + discount * V(s_{t+1}) - V(s_t).

    rewards: of the action taken at t. values: V(s_t). next_values: V(s_{t+1}) of the state that the action led to, 0
    where the game ended there; where an episode was only cut it is the value of what it was cut at. ended: bool, the
    episode ended at t in whatever way. A + V are the lambda-returns G_t = r_t + discount * ((1 - trace) V_{t+1} + trace
    * G_{t+1}).
    """
    following = torch.zeros_like(rewards[0])
    found = torch.zeros_like(rewards)
    for t in range(len(rewards) - 1, -1, -1):
        surprise = rewards[t] + discount * next_values[t] - values[t]
        following = surprise + discount * trace * following * ~ended[t]
        found[t] = following
    return found
