"""Tokens in: ids to vectors at every place of a video, with learned positions and, if wanted, a look at the frames
before.

Knows ids and code vectors; no action and no attention.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.dynamics.maskgit_config import MaskGITConfig


class TokenInput(nn.Module):
    """Token embedding, codebook vectors or both, plus positions and a stem, as the configuration says."""

    pos_emb: nn.Parameter

    def __init__(self, config: MaskGITConfig, codes: int, width: int, grid: tuple[int, int]) -> None:
        """codes: K, the id of a hidden token. width: D of the code vectors."""
        super().__init__()
        self.config = config
        self.codes = codes
        learned, vectors = config.token_input != "codes", config.token_input != "ids"
        self.token_emb = nn.Embedding(codes + 1, config.dim) if learned else None
        self.hidden = None if learned else nn.Parameter(torch.randn(config.dim))
        self.project: nn.Module | None = None
        if vectors:
            self.project = nn.Identity() if width == config.dim else nn.Linear(width, config.dim, bias=False)
        self.pos_emb = nn.Parameter(0.02 * torch.randn(config.max_frames, *grid, config.dim))
        self.stem = nn.Conv2d(2 * width, config.dim, 3, padding=1) if config.stem == "conv" else None

    def forward(
        self, tokens: Tensor, before: tuple[Tensor, Tensor], code_vectors: Tensor, start: int | Tensor = 0
    ) -> Tensor:
        """tokens int64 (B, T, h, w), hidden ones K, to (B, T, h, w, dim).

        before: the last and the last but one frame before the predicted one, each like tokens, K where there is none;
        the stem reads them. code_vectors: (K, D). start: the number of the first frame,
        of all clips or int64 (B,).
        """
        vectors = torch.cat([code_vectors, code_vectors.new_zeros(1, code_vectors.shape[1])])
        x = self._embed(tokens, vectors)
        times = torch.arange(tokens.shape[1], device=tokens.device)
        times = times + (start if isinstance(start, int) else start.to(tokens.device)[:, None])
        x = x + self.pos_emb[times.clamp_max(self.config.max_frames - 1)]
        if self.stem is not None:
            x = x + self._look_back(before, vectors)
        shrink = self.config.gradient_shrink
        return x if shrink == 1 else x.detach() + (x - x.detach()) * shrink

    def _embed(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        x = F.embedding(tokens, vectors) if self.project is not None else None
        if x is not None and self.project is not None:
            x = self.project(x) * self.config.token_scale
        if self.token_emb is not None:
            return self.token_emb(tokens) if x is None else self.token_emb(tokens) + x
        assert x is not None
        assert self.hidden is not None
        return x + (tokens == self.codes)[..., None] * self.hidden

    def _look_back(self, before: tuple[Tensor, Tensor], vectors: Tensor) -> Tensor:
        assert self.stem is not None
        past = torch.cat([F.embedding(frames, vectors) for frames in before], -1)
        seen = self.stem(past.flatten(0, 1).permute(0, 3, 1, 2))
        return seen.permute(0, 2, 3, 1).unflatten(0, past.shape[:2])


class TiedLogits(nn.Module):
    """Logits as inner products with the code vectors: similar codes have similar logits."""

    def __init__(self, dim: int, codes: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, width)
        self.sharpness = nn.Parameter(torch.tensor(6.0))
        self.prior = nn.Parameter(torch.zeros(codes))

    def forward(self, features: Tensor, code_vectors: Tensor) -> Tensor:
        """features (..., dim), code_vectors (K, D) to (..., K)."""
        return (self.project(features) * self.sharpness) @ code_vectors.t() + self.prior
