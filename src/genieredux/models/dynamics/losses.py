"""What the space-time dynamics is trained on beside the cross-entropy: distances between codes, and decoded pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.models.tokenizers.protocol import Tokenizer


def token_distances(code_vectors: Tensor) -> Tensor:
    """Cosine distances in [0, 2] between all codes (K, D): float32 (K, K). P25's table K, made once."""
    unit = F.normalize(code_vectors.float(), dim=-1)
    return 1 - unit @ unit.t()


def expected_distance(logits: Tensor, target: Tensor, distances: Tensor) -> Tensor:
    """(y^T K) softmax(x) (P25): the mean distance of the predicted code to the true one. (..., K), (...) to (...)."""
    return (F.embedding(target, distances) * logits.softmax(-1)).sum(-1)


class DecoderLoss:
    """Squared error of pixels decoded from expected codes, through a frozen tokenizer that belongs to somebody else."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __call__(self, logits: Tensor, tokens: Tensor, frames: Tensor | None = None) -> Tensor:
        """logits (B, T-1, h, w, K) of frames 1..T-1; tokens (B, T, h, w). Returns a scalar.

        frames: float32 (B, T, C, H, W) in [0, 1], the true pixels; None: those that the true tokens decode to.
        """
        tokenizer = self._tokenizer
        if isinstance(tokenizer, nn.Module):
            tokenizer.to(logits.device)
        codes = torch.arange(logits.shape[-1], device=logits.device)
        with torch.no_grad():
            vectors = tokenizer.token_vectors(codes).float()  # (K, what the decoder reads)
            first = F.embedding(tokens[:, :1], vectors)
            wanted = tokenizer.decode_vectors(F.embedding(tokens, vectors)) if frames is None else frames
        decoded = tokenizer.decode_vectors(torch.cat([first, logits.softmax(-1) @ vectors], 1))
        return F.mse_loss(decoded[:, 1:].float(), wanted[:, 1:].float())
