"""Two of MEME's changes (Kapturowski et al. 2023, section 3): errors by their size, and a region of trust.

Knows no network.
"""

import torch
from torch import Tensor, nn

SMALLEST = 0.01
"""Errors are never divided by less."""
DECAY = 0.99
"""Of the running mean of squared errors."""


class ErrorSizes(nn.Module):
    """How large the errors of each head are for each member: sigma = max(running, of this batch, SMALLEST)."""

    squares: Tensor
    known: Tensor

    def __init__(self, heads: int, members: int) -> None:
        super().__init__()
        self.register_buffer("squares", torch.zeros(heads, members))
        self.register_buffer("known", torch.zeros(heads, members, dtype=torch.bool))

    @torch.no_grad()
    def update(self, head: int, errors: Tensor, members: Tensor, counted: Tensor) -> Tensor:
        """Take errors (T, B) in, of the members (B,), where `counted`; gives the size for each sequence, (B,)."""
        count = counted.sum(0).to(errors)
        sums = torch.zeros_like(self.squares[head]).index_add(0, members, (errors.square() * counted).sum(0))
        counts = torch.zeros_like(sums).index_add(0, members, count)
        there, mean = counts > 0, sums / counts.clamp(min=1)
        running = torch.where(self.known[head], DECAY * self.squares[head] + (1 - DECAY) * mean, mean)
        self.squares[head] = torch.where(there, running, self.squares[head])
        self.known[head] |= there
        return torch.maximum(self.squares[head], mean).sqrt().clamp(min=SMALLEST)[members]


def trusted(values: Tensor, delayed: Tensor, goals: Tensor, radius: Tensor) -> Tensor:
    """Which steps (T, B) may be learned: not those further than `radius` (B,) from the target network's values that
    learning would lead further yet: |Q - Q'| > radius and sign(Q - Q') != sign(Q - G)."""
    apart = values - delayed
    return (apart.abs() <= radius) | (torch.sign(apart) == torch.sign(values - goals))
