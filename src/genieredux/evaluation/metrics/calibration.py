"""Does a world know when it errs: is a token that it was unsure of more often wrong, and a frame less true?

Two errors of a token: `wrong`, it is not the token of the true frame (strict:
two codes may look alike), and `mse`, the squared error of its pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from genieredux.evaluation.bootstrap import EpisodeBootstrap, Estimate, ranks
from genieredux.evaluation.kept import evenly
from genieredux.evaluation.metrics.metric import Pool, Pooled
from genieredux.evaluation.metrics.psnr import quality
from genieredux.evaluation.rows import ENTROPY, MODEL, TOKENS
from genieredux.evaluation.subjects.drawn import Drawn

BINS = 10
MOST_CLIPS = 256
"""Clips whose tokens are looked at, spread evenly: a clip has 2,560 of them."""


class Calibration(Pooled):
    """Entropy of the tokens against what came of them, on at most `MOST_CLIPS` clips."""

    key = "calibration"
    needs = (ENTROPY, TOKENS)

    def look(self, drawn: Drawn) -> "tuple[TokenErrors, np.ndarray] | None":
        """The errors of the chosen clips of a batch and the PSNR (K, N) of their frames."""
        indices = np.asarray(drawn.batch.indices)
        rows = np.flatnonzero(np.isin(indices, evenly(drawn.batch.count, MOST_CLIPS)))
        if not len(rows):
            return None
        of_model = quality(drawn, MODEL)[rows].double().numpy()
        assert drawn.tokens is not None  # both are in `needs`
        assert drawn.entropy is not None
        assert drawn.true_tokens is not None
        tokens, entropy, true = drawn.tokens[rows], drawn.entropy[rows], drawn.true_tokens[rows]
        true = true[:, drawn.batch.prompt_frames :]
        found = token_errors(indices[rows], drawn.frames(MODEL)[rows], tokens, entropy, drawn.truth[rows], true)
        return found, of_model

    def pool(self, parts: "Sequence[tuple[TokenErrors, np.ndarray]]", of: Pool) -> dict[str, Any]:
        """See `calibration`."""
        tokens = TokenErrors.join([errors for errors, _ in parts])
        return calibration(tokens, np.concatenate([psnr for _, psnr in parts]), of.bootstrap(tokens.clips))


@dataclass(frozen=True)
class TokenErrors:
    """Of K clips: entropy float32 (K, N, h, w) in nats, wrong bool and mse float32 likewise. clips: (K,), which."""

    clips: np.ndarray
    entropy: np.ndarray
    wrong: np.ndarray
    mse: np.ndarray

    @classmethod
    def join(cls, parts: list["TokenErrors"]) -> "TokenErrors":
        """Of all parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


def token_errors(
    clips: np.ndarray, frames: Tensor, tokens: Tensor, entropy: Tensor, truth: Tensor, true: Tensor
) -> TokenErrors:
    """frames, truth: (K, N, C, H, W); tokens, true: int (K, N, h, w); entropy: (K, N, h, w) -> TokenErrors."""
    error = (frames.float() - truth.float()).square().mean(2)
    per_token = F.adaptive_avg_pool2d(error, (tokens.shape[-2], tokens.shape[-1]))
    return TokenErrors(clips, entropy.float().numpy(), (tokens != true).numpy(), per_token.numpy())


def calibration(found: TokenErrors, quality: np.ndarray, bootstrap: EpisodeBootstrap) -> dict[str, Any]:
    """Plain values for the JSON; `bootstrap` is over the episodes of the clips in `found`.

    quality: (K, N), PSNR of the frames in dB. docs/metrics.md says what the keys are.
    """
    frame_entropy = found.entropy.mean((2, 3))
    first = slice(0, 1)
    return {
        "clips": len(found.clips),
        "tokens": int(found.entropy.size),
        "error_rate": bootstrap.estimate(found.wrong.mean((1, 2, 3))).to_json(),
        "bins": _bins(found, bootstrap),
        "token": {
            "wrong": _correlations(found.entropy, found.wrong, bootstrap),
            "mse": _correlations(found.entropy, found.mse, bootstrap),
        },
        "first_frame": {
            "wrong": _correlations(found.entropy[:, first], found.wrong[:, first], bootstrap),
            "mse": _correlations(found.entropy[:, first], found.mse[:, first], bootstrap),
        },
        "frame": {"psnr": _correlations(frame_entropy, quality, bootstrap)},
    }


def _bins(found: TokenErrors, bootstrap: EpisodeBootstrap) -> list[dict[str, Any]]:
    """Bins of equally many tokens, from the surest: what they said, and how often they erred."""
    edges = np.unique(np.quantile(found.entropy, np.linspace(0, 1, BINS + 1)))
    place = np.clip(np.searchsorted(edges, found.entropy, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for number in range(max(len(edges) - 1, 1)):
        inside = place == number
        weights = inside.sum((1, 2, 3))

        def mean(values: np.ndarray, inside: np.ndarray = inside, weights: np.ndarray = weights) -> Estimate:
            return bootstrap.ratio((values * inside).sum((1, 2, 3)), weights)

        rows.append(
            {
                "tokens": int(weights.sum()),
                "entropy": float(mean(found.entropy).mean),
                "error_rate": mean(found.wrong).to_json(),
                "mse": mean(found.mse).to_json(),
            }
        )
    return rows


def _correlations(x: np.ndarray, y: np.ndarray, bootstrap: EpisodeBootstrap) -> dict[str, Any]:
    return {
        "pearson": bootstrap.correlation(x, y).to_json(),
        "spearman": bootstrap.correlation(ranks(x), ranks(y)).to_json(),
    }
