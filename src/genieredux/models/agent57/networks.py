"""The networks: recurrent dueling values (R2D2), the embedding of controllable things (NGU), random distillation (RND).

Time comes first: sequences are (T, B, ...). A frame is one grey picture, uint8 (..., 1, S, S). Knows no game and no
training.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genieredux.frames import scaled
from genieredux.models.agent57.values import transform

COMPACT = 128
"""Width of the compact torso."""

Torso = Literal["nature", "small", "compact"]
"""See `torso`."""

State = tuple[Tensor, Tensor]
"""Hidden and cell state of an LSTM, (B, hidden) each."""


@dataclass(frozen=True)
class Inputs:
    """What values are made from. frames: uint8 (T, B, 1, S, S). The others (T, B): the action before, what it earned
    from the game and from curiosity, and which member of the family acts."""

    frames: Tensor
    previous_actions: Tensor
    extrinsic_rewards: Tensor
    intrinsic_rewards: Tensor
    policy_index: Tensor

    def steps(self, first: int, last: int) -> "Inputs":
        """Those of the steps from `first` to before `last`."""
        return Inputs(*(values[first:last] for values in vars(self).values()))


def torso(kind: Torso, size: int, leaky: bool = False) -> tuple[nn.Sequential, int]:
    """What turns a grey picture of `size` into features, and how many they are.

    nature: 32 of 8x8 by 4, 64 of 4x4 by 2, 64 of 3x3 (Mnih et al. 2015). small: 16 of 8x8 by 4, 32 of 4x4 by 2 (Mnih
    et al. 2013). compact: 128 values that see all pixels.
    """
    act = nn.LeakyReLU if leaky else nn.ReLU
    if kind == "compact":
        return nn.Sequential(nn.Flatten(), nn.Linear(size**2, COMPACT), act()), COMPACT
    if kind == "small":
        layers = [nn.Conv2d(1, 16, 8, 4), nn.Conv2d(16, 32, 4, 2)]
    else:
        layers = [nn.Conv2d(1, 32, 8, 4), nn.Conv2d(32, 64, 4, 2), nn.Conv2d(64, 64, 3, 1)]
    net = nn.Sequential(*(part for layer in layers for part in (layer, act())), nn.Flatten())
    with torch.no_grad():
        return net, net(torch.zeros(1, 1, size, size)).shape[1]


class RecurrentQ(nn.Module):
    """Dueling values of a recurrent state (R2D2, section 2.3; NGU, appendix F): Q = V + A - mean A.

    The LSTM reads [features, r_e, one-hot action before, r_i, one-hot policy].
    """

    def __init__(
        self,
        kind: Torso,
        size: int,
        num_actions: int,
        policies: int,
        hidden: int,
        transform_rewards: bool,
    ) -> None:
        super().__init__()
        self.num_actions, self.policies, self.hidden = num_actions, policies, hidden
        self.transform_rewards = transform_rewards
        self.torso, features = torso(kind, size)
        self.lstm = nn.LSTM(features + num_actions + policies + 2, hidden)
        self.advantage_head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, num_actions))
        self.value_head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def initial(self, batch: int) -> State:
        """Zeros."""
        like = next(self.lstm.parameters())
        return like.new_zeros(batch, self.hidden), like.new_zeros(batch, self.hidden)

    def forward(self, inputs: Inputs, state: State) -> tuple[Tensor, State]:
        """Values (T, B, A), and the state after the last step."""
        steps, batch = inputs.frames.shape[:2]
        features = self.torso(scaled(inputs.frames).flatten(0, 1)).reshape(steps, batch, -1)
        rewards = [inputs.extrinsic_rewards.to(features), inputs.intrinsic_rewards.to(features)]
        extrinsic, intrinsic = map(transform, rewards) if self.transform_rewards else rewards
        parts = (
            features,
            extrinsic[..., None],
            F.one_hot(inputs.previous_actions.long(), self.num_actions).to(features),
            intrinsic[..., None],
            F.one_hot(inputs.policy_index.long(), self.policies).to(features),
        )
        memory, (h, c) = self.lstm(torch.cat(parts, -1), (state[0][None], state[1][None]))
        advantages = self.advantage_head(memory)
        return self.value_head(memory) + advantages - advantages.mean(-1, keepdim=True), (h[0], c[0])


class Embedding(nn.Module):
    """What the agent can control: features from which the action between two frames can be told (NGU, section 2.1)."""

    def __init__(self, kind: Torso, size: int, num_actions: int, width: int) -> None:
        super().__init__()
        self.torso, features = torso(kind, size)
        self.fc = nn.Linear(features, width)
        self.inverse_head = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, num_actions))

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 (..., 1, S, S) -> (..., width)."""
        features = self.torso(scaled(frames).flatten(0, -4))
        return F.relu(self.fc(features)).unflatten(0, frames.shape[:-3])

    def inverse(self, before: Tensor, after: Tensor) -> Tensor:
        """Embeddings (..., width) of two frames in a row -> logits (..., A) of the action between them."""
        logits: Tensor = self.inverse_head(torch.cat([before, after], -1))
        return logits


class Distilled(nn.Module):
    """One of the two networks of random distillation: convolutions and a head (Burda et al. 2018).

    head: widths of the layers after the convolutions; activations lie between them.
    """

    def __init__(self, kind: Torso, size: int, head: tuple[int, ...], leaky: bool) -> None:
        super().__init__()
        self.torso, features = torso(kind, size, leaky)
        widths = (features, *head)
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        parts = [part for layer in layers for part in (layer, nn.ReLU())]
        self.head = nn.Sequential(*parts[:-1])

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised float (B, 1, S, S) -> (B, features)."""
        features: Tensor = self.head(self.torso(pictures))
        return features
