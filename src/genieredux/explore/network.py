"""The agent's network: convolutions, an LSTM, a policy and a value (after IRIS, as P25 has it). Mathematics; it knows
no game and no world.

Shapes: B streams, L steps, A actions.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.explore.config import NetworkConfig
from genieredux.frames import scaled

State = tuple[Tensor, Tensor]
"""What the LSTM remembers: hidden and cell, float32 (B, hidden) each."""


@dataclass(frozen=True)
class Judged:
    """logits: float32 (..., A), unnormalised log-probabilities. values: float32 (...). state: after the last step."""

    logits: Tensor
    values: Tensor
    state: State


class ActorCritic(nn.Module):
    """Judges frames one after the other; begins anew where an episode does."""

    kind = "auto_explore"
    settings = NetworkConfig

    def __init__(self, config: NetworkConfig, image_size: int, num_actions: int) -> None:
        super().__init__()
        self.config, self.image_size, self.num_actions = config, image_size, num_actions
        layers: list[nn.Module] = []
        before, side = 3, image_size
        for channels in config.channels:
            layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.ReLU()]
            before, side = channels, (side + 1) // 2
        self.encoder = nn.Sequential(*layers, nn.Flatten())
        inputs = before * side * side + num_actions * config.sees_action
        self.memory = nn.LSTMCell(inputs, config.hidden)
        self.actor = nn.Linear(config.hidden, num_actions)
        self.critic = nn.Linear(config.hidden, 1)
        nn.init.orthogonal_(self.actor.weight, 0.01)  # begins by preferring nothing
        nn.init.zeros_(self.actor.bias)

    def begin(self, streams: int) -> State:
        """The memory (B, hidden) of streams that have seen nothing."""
        nothing = torch.zeros(streams, self.config.hidden, device=self.actor.weight.device)
        return nothing, nothing.clone()

    def forward(self, frames: Tensor, actions: Tensor, begun: Tensor, state: State) -> Judged:
        """L steps of B streams.

        frames: uint8 (L, B, 3, H, W), or float32 in [0, 1]. actions: int64 (L, B), those taken before each frame, -1
        for none. begun: bool (L, B), the frame is an episode's first: memory and action before mean nothing. state: of
        before the first.
        """
        steps, streams = actions.shape
        seen = self.encoder(scaled(frames.flatten(0, 1)) * 2 - 1).view(steps, streams, -1)
        if self.config.sees_action:
            before = F.one_hot(actions.clamp_min(0), self.num_actions) * ((actions >= 0) & ~begun)[..., None]
            seen = torch.cat([seen, before.to(seen)], -1)
        outputs = []
        for inputs, new in zip(seen, begun, strict=True):
            keep = (~new)[:, None].to(seen)
            state = self.memory(inputs, (state[0] * keep, state[1] * keep))
            outputs.append(state[0])
        hidden = torch.stack(outputs)
        return Judged(self.actor(hidden), self.critic(hidden)[..., 0], state)
