"""The Fréchet distance of what was predicted from the truth, over whatever features: FID, FVD and others."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Pool, Pooled
from genieredux.evaluation.networks.statistics_cache import StatisticsCache
from genieredux.evaluation.rows import TRUTH
from genieredux.evaluation.subjects.drawn import Drawn


class FrechetMetric(Pooled):
    """Gathers features of every predicted row and of the truth.

    network: frames (B, N, C, H, W) to features, with an `id`; file: where its weights lie; cache: of features of true
    frames.
    """

    about: About
    by_frame: ClassVar[bool] = False
    """Whether features are of frames, (B, N, D), so that each horizon has a distance of its own; else (B, W, D)."""

    def __init__(self, network: Any, file: str = "", cache: StatisticsCache | None = None) -> None:
        self.network, self.id, self.file, self.cache = network, network.id, file, cache

    @property
    def key(self) -> str:  # type: ignore[override]
        """Its name."""
        return self.about.name

    def features(self, prompt: Tensor, frames: Tensor) -> Tensor:
        """prompt (B, P, C, H, W) and what follows, (B, N, C, H, W), in [0, 1] -> float32 (B, ..., D) on the CPU."""
        del prompt
        features: Tensor = self.network(frames)
        return features

    def describe(self) -> dict[str, Any]:
        """See Openable."""
        return {"id": self.id, **({"file": self.file} if self.file else {})}

    def look(self, drawn: Drawn) -> dict[str, np.ndarray]:
        """row or `truth` -> features."""

        def of(row: str) -> Tensor:
            return self.features(drawn.prompt, drawn.frames(row))

        if self.cache is None:
            truth = of(TRUTH)
        else:
            truth = self.cache.features(drawn.batch.frames, f"{self.id}-{drawn.batch.prompt_frames}", lambda: of(TRUTH))
        return {TRUTH: truth.numpy(), **{row: of(row).numpy() for row in drawn.predicted}}

    def pool(self, parts: Sequence[Mapping[str, np.ndarray]], of: Pool) -> dict[str, Any]:
        """See `frechet`."""
        features = {row: np.concatenate([part[row] for part in parts]) for row in parts[0]}
        return frechet(features, of.clips.episodes, self.by_frame)


def frechet(features: Mapping[str, np.ndarray], episodes: np.ndarray, by_frame: bool) -> dict[str, Any]:
    """{rows: {row: {all, by_horizon?}}, floor, samples}; features (N, H, D) of frames or windows, (N, D) of clips."""
    truth = torch.from_numpy(features[TRUTH])
    flat = truth.flatten(0, -2)
    per_clip = len(flat) // len(truth)
    rows: dict[str, Any] = {}
    if len(truth) >= 2:
        for row, values in features.items():
            if row == TRUTH:
                continue
            given = torch.from_numpy(values)
            rows[row] = {"all": frechet_distance(flat, given.flatten(0, -2))}
            if by_frame:
                rows[row]["by_horizon"] = [frechet_distance(truth[:, t], given[:, t]) for t in range(per_clip)]
    halves_have_two = len(set(episodes.tolist())) >= (2 if per_clip > 1 else 4)
    floor = frechet_floor(flat, np.repeat(episodes, per_clip)) if halves_have_two else None
    return {"rows": rows, "floor": floor, "samples": len(flat)}


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet (2-Wasserstein) distance of the Gaussians of two sets of features: the formula of FID and FVD.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel et al. 2017, eq. 6), everything in float64. With C = R^T R
    the last trace is the sum of the singular values of R_a R_b^T: no root of a matrix that need not be symmetric,
    nothing complex, and exactly 0 for a set against itself up to rounding.

    a, b: features (samples, dims), at least two samples each; covariances are unbiased. Symmetric, at least 0. Raises
    UserError where a feature is no number.
    """
    mean_a, root_a = _mean_and_root(a)
    mean_b, root_b = _mean_and_root(b)
    if len(mean_a) != len(mean_b):
        raise ValueError(f"features of {len(mean_a)} and of {len(mean_b)} numbers do not compare")
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    spread = root_a.square().sum() + root_b.square().sum() - 2 * cross
    return float(((mean_a - mean_b).square().sum() + spread).clamp(min=0))


def frechet_floor(features: Tensor, groups: np.ndarray, seed: int = 0) -> float:
    """Truth against truth: the Fréchet distance of two random halves. What even a perfect model scores at half the
    samples, since a covariance of few samples errs.

    features: (samples, dims); groups: (samples,), which episode each is from. Halves are of whole episodes. Raises
    UserError for fewer than two episodes.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise UserError("the floor of a Fréchet distance needs clips of two episodes or more")
    shuffled = np.random.default_rng(seed).permutation(names)
    first = torch.from_numpy(np.isin(groups, shuffled[: len(names) // 2]))
    return frechet_distance(features[first], features[~first])


def _mean_and_root(features: Tensor) -> tuple[Tensor, Tensor]:
    """(mean (dims,), R (rank or more, dims)) with R^T R the unbiased covariance."""
    rows = features.detach().to("cpu", torch.float64).reshape(-1, features.shape[-1])
    if not torch.isfinite(rows).all():
        raise UserError("features have values that are not numbers (NaN): the frames or the weights are damaged")
    if len(rows) < 2:
        raise ValueError("the Fréchet distance needs two samples or more on either side")
    mean = rows.mean(0)
    off = rows - mean
    if len(rows) <= rows.shape[1]:
        return mean, off / (len(rows) - 1) ** 0.5
    cov = off.T @ off / (len(rows) - 1)
    root, failed = torch.linalg.cholesky_ex(cov)
    if not failed:
        return mean, root.T
    values, vectors = torch.linalg.eigh(cov)  # a covariance of fewer samples than dims has no Cholesky factor
    return mean, values.clamp(min=0).sqrt()[:, None] * vectors.T
