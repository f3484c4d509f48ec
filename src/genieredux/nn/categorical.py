"""A small codebook chosen by Gumbel-softmax instead of by distance: the quantiser of few codes.

With half a dozen codes a nearest-neighbour rule has little to go by: its straight-through gradient never says what
another code would have done, and most runs end with codes that mean nothing. Here the input gives a probability to
every code and one is drawn; its gradient is that of the relaxed draw (Jang et al. 2017; Maddison et al. 2017).
Same contract as quantize.py. Knows nothing of actions.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.nn.draws import uniform
from genieredux.nn.quantize import Quantised


class CategoricalQuantize(nn.Module):
    """dim values to one of codebook_size codes, each a learned vector of dim values.

    balance: weight of the loss log K - H(mean probabilities), which keeps codes from dying; 0 when all are used
    equally.
    """

    def __init__(self, dim: int, codebook_size: int, balance: float = 0.005) -> None:
        super().__init__()
        if codebook_size < 2:
            raise ValueError(f"a codebook needs 2 codes at least, got {codebook_size}")
        self.codebook_size = codebook_size
        self.balance = balance
        self.choose = nn.Linear(dim, codebook_size)
        self.codebook = nn.Parameter(torch.randn(codebook_size, dim))

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Quantised:
        """x: (..., dim) float. Training draws codes with `generator`; evaluation takes the likeliest."""
        scores = self._scores(x)
        ids = scores.argmax(-1)
        loss = scores.new_zeros(())
        chosen = F.one_hot(ids, self.codebook_size).to(scores.dtype)
        if self.training:
            relaxed = (scores + _gumbel(scores, generator)).softmax(-1)
            drawn = F.one_hot(relaxed.argmax(-1), self.codebook_size).to(scores.dtype)
            chosen = drawn + relaxed - relaxed.detach()
            # clamped: at exactly 0, as when the codes have collapsed, entropy has no gradient
            mean = scores.softmax(-1).flatten(0, -2).mean(0).clamp_min(1e-12)
            loss = self.balance * (math.log(self.codebook_size) - torch.special.entr(mean).sum())
        share = torch.bincount(ids.flatten(), minlength=self.codebook_size) / ids.numel()
        vectors = (chosen @ self.codebook).to(x.dtype)
        return Quantised(vectors, ids, loss, torch.special.entr(share).sum().exp())

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """x (..., dim) to the likeliest ids int64 (...)."""
        return self._scores(x).argmax(-1)

    def codes(self, ids: Tensor) -> Tensor:
        """ids (...) to the vectors (..., dim) that the decoder reads."""
        return F.embedding(ids, self.codebook)

    def code_vectors(self) -> Tensor:
        """float32 (codebook_size, dim)."""
        return self.codebook.detach()

    def _scores(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.choose(x.to(self.choose.weight.dtype))


def _gumbel(like: Tensor, generator: torch.Generator | None) -> Tensor:
    drawn = uniform(like.shape, generator, like.device)
    return -(-drawn.clamp_min(1e-20).log()).clamp_min(1e-20).log()
