"""The agent while it plays for its own learning: it draws actions, random ones among them, and remembers with what
chance each was drawn, how it valued the frame and what it remembered. A policy (policies/policy.py) for the player.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from genieredux.explore.network import ActorCritic, State
from genieredux.frames import to_tensor
from genieredux.policies.policy import Actions, Seen


@dataclass(frozen=True)
class Act:
    """One step of N streams. before: int64 (N,), the action before, -1 where an episode begins. chance: float32 (N,),
    the log of the probability of what was drawn. value: float32 (N,). state: the memory before the frame, (N, M) twice.
    after: the memory after it."""

    before: Tensor
    chance: Tensor
    value: Tensor
    state: State
    after: State


class Acting:
    """Draws from softmax(logits / temperature), or with `epsilon` uniformly: each stream has a coin of its own."""

    name, plays_alone = "auto_explore", False

    def __init__(self, net: ActorCritic, epsilon: float, temperature: float, rng: np.random.Generator) -> None:
        self._net, self._epsilon, self._temperature, self._rng = net, epsilon, temperature, rng
        self._state: State | None = None
        self.acts: list[Act] = []
        """What was done, step by step, since the object was made."""

    @torch.no_grad()
    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        net, device = self._net, self._net.actor.weight.device
        count = len(seen.frames)
        state = self._state or net.begin(count)
        begun = torch.from_numpy(seen.begun.copy())
        before = torch.from_numpy(np.where(seen.begun, -1, seen.actions))
        judged = net(to_tensor(seen.frames)[None].to(device), before[None].to(device), begun[None].to(device), state)
        likely = (judged.logits[0] / self._temperature).softmax(-1).cpu().double().numpy()
        mixed = (1 - self._epsilon) * likely + self._epsilon / likely.shape[1]
        actions = draw(mixed, self._rng.random(count))
        chance = np.log(mixed[np.arange(count), actions])
        self.acts.append(
            Act(before, torch.from_numpy(chance).float(), judged.values[0].cpu(), _cpu(state), _cpu(judged.state))
        )
        self._state = judged.state
        return actions


def draw(weights: NDArray[np.float64], coins: NDArray[np.float64]) -> Actions:
    """An action a row of weights (N, A), by coins (N,) in [0, 1[."""
    sums = weights.cumsum(1)
    return np.minimum((sums < coins[:, None] * sums[:, -1:]).sum(1), weights.shape[1] - 1).astype(np.int64)


def _cpu(state: State) -> State:
    return state[0].cpu(), state[1].cpu()
