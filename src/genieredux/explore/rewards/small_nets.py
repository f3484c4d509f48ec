"""What rewards that learn have in common: steps reduced to small pictures, small networks on them, and a few updates of
these with Adam. Knows tensors and what was expected (watching.py), no world.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.explore.rewards.protocol import Values, Watcher, unrated
from genieredux.explore.rollout import Rollout
from genieredux.explore.watching import Expected

SIDE = 16
"""Side of the small pictures, in pixels."""
BATCH = 64


@dataclass
class Small:
    """R steps: before, expected and after, float32 (R, 3, 16, 16); actions int64 (R,)."""

    before: Tensor
    expected: Tensor
    after: Tensor
    actions: Tensor

    @classmethod
    def of(cls, rows: Expected, device: torch.device) -> "Small":
        """The steps of one look, reduced."""
        frames = (rows.before, rows.step.frames, rows.after)
        before, expected, after = (small(frame.to(device)) for frame in frames)
        return cls(before, expected, after, rows.actions.to(device))

    @classmethod
    def joined(cls, parts: Sequence["Small"]) -> "Small":
        """Several, one after the other."""
        names = ("before", "expected", "after", "actions")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def __len__(self) -> int:
        return len(self.actions)

    def at(self, rows: Tensor) -> "Small":
        """Some of them."""
        return Small(self.before[rows], self.expected[rows], self.after[rows], self.actions[rows])


def small(frames: Tensor) -> Tensor:
    """Frames (R, 3, H, W) as (R, 3, 16, 16)."""
    return F.adaptive_avg_pool2d(frames, SIDE)


def rated(watcher: Watcher, rollout: Rollout, value: Callable[[Small], Tensor]) -> tuple[Values, Small | None]:
    """What `value` says of every step, from (R, ...) steps to (R,), and the steps themselves; None: there were none."""
    values, parts = unrated(rollout), []
    for rows in watcher.look(rollout):
        steps = Small.of(rows, watcher.device)
        rows.put(value(steps), values)
        parts.append(steps)
    return values, Small.joined(parts) if parts else None


class NextPicture(nn.Module):
    """What the small picture will be, as a correction of what the world expects: it sees that, the picture now, and the
    action."""

    def __init__(self, num_actions: int, width: int) -> None:
        super().__init__()
        self.num_actions = num_actions
        self.layers = nn.Sequential(
            nn.Conv2d(6 + num_actions, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 3, 1),
        )

    def forward(self, steps: Small) -> Tensor:
        """float32 (R, 3, 16, 16)."""
        planes = F.one_hot(steps.actions, self.num_actions).float()[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        correction: Tensor = self.layers(torch.cat([steps.before, steps.expected, planes], 1))
        return steps.expected + correction

    def error(self, steps: Small) -> Tensor:
        """How wrong it is at every place: squared, summed over colours, (R, 16, 16)."""
        return (self(steps) - steps.after).square().sum(1)


class Trainer:
    """A network and its Adam, with batches that a seed and an epoch decide."""

    def __init__(self, net: nn.Module, learning_rate: float, seed: int) -> None:
        self.net, self._seed = net, seed
        self._optimizer = torch.optim.Adam(net.parameters(), learning_rate)

    def run(self, count: int, updates: int, epoch: int, loss: Callable[[Tensor, torch.Generator], Tensor]) -> float:
        """So many updates, each on rows int64 (64,) of `count`; the mean loss."""
        if not count:
            return 0.0
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
        total = 0.0
        for _ in range(updates):
            value = loss(torch.randint(count, (BATCH,), generator=generator), generator)
            self._optimizer.zero_grad(set_to_none=True)
            value.backward()
            self._optimizer.step()
            total += float(value.detach())
        return total / updates

    def state(self) -> dict[str, Any]:
        """Weights and moments."""
        return {"net": self.net.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: Any) -> None:
        """Go on from `state()`."""
        self.net.load_state_dict(state["net"])
        self._optimizer.load_state_dict(state["optimizer"])


def seeded(make: Callable[[], nn.Module], seed: int, device: torch.device) -> nn.Module:
    """A network whose first weights a seed decides, whatever was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().to(device)
