"""The Fréchet distance of two sets of features, and the mean and covariance it needs, gathered as they come.

It knows numbers only. |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel et al. 2017, eq. 6), everything in
float64. With C = R^T R the last trace is the sum of the singular values of R_a R_b^T: no root of a matrix that need not
be symmetric, nothing complex, and exactly 0 for a set against itself up to rounding.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from genieredux.errors import UserError


class Moments:
    """Count, mean and scatter of features that arrive in batches.

    dims: length of a feature. The order and the size of the batches change the numbers by rounding alone (about 1e-12
    of them; Chan et al. 1979).
    """

    def __init__(self, dims: int) -> None:
        self.count = 0
        self.mean = torch.zeros(dims, dtype=torch.float64)
        self._scatter = torch.zeros(dims, dims, dtype=torch.float64)

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """The moments of features (..., dims)."""
        return cls(features.shape[-1]).add(features)

    @property
    def dims(self) -> int:
        """Length of a feature."""
        return len(self.mean)

    @property
    def cov(self) -> Tensor:
        """Unbiased covariance, float64 (dims, dims). Raises ValueError for fewer than two samples."""
        if self.count < 2:
            raise ValueError("a covariance needs two samples or more")
        return self._scatter / (self.count - 1)

    def add(self, features: Tensor) -> "Moments":
        """Take in features (..., dims) of any floating type; returns itself. UserError: one is no number."""
        rows = _rows(features, self.dims)
        if len(rows):
            mean = rows.mean(0)
            off = rows - mean
            self._join(len(rows), mean, off.T @ off)
        return self

    def merge(self, other: "Moments") -> "Moments":
        """Take in what another one gathered (another batch, another process); returns itself."""
        if other.dims != self.dims:
            raise ValueError(f"features of {other.dims} and of {self.dims} numbers do not mix")
        if other.count:
            self._join(other.count, other.mean, other._scatter)
        return self

    def to_tensors(self) -> dict[str, Tensor]:
        """Everything, to be stored or sent."""
        return {"count": torch.tensor(self.count), "mean": self.mean, "scatter": self._scatter}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Moments":
        """The inverse of `to_tensors`."""
        made = cls(len(tensors["mean"]))
        made.count, made.mean, made._scatter = int(tensors["count"]), tensors["mean"], tensors["scatter"]
        return made

    def _join(self, count: int, mean: Tensor, scatter: Tensor) -> None:
        total = self.count + count
        gap = mean - self.mean
        self._scatter = self._scatter + scatter + torch.outer(gap, gap) * (self.count * count / total)
        self.mean = self.mean + gap * (count / total)
        self.count = total


def frechet_distance(a: Moments | Tensor, b: Moments | Tensor) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians with these moments: the formula of FID and FVD.

    a, b: `Moments`, or features (samples, dims), at least two samples each; covariances are unbiased. Symmetric, at
    least 0. Where features are fewer than their dims, passing them is far quicker than passing moments.
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


def _mean_and_root(given: Moments | Tensor) -> tuple[Tensor, Tensor]:
    """(mean (dims,), R (rank or more, dims)) with R^T R the unbiased covariance."""
    if isinstance(given, Tensor):
        rows = _rows(given, given.shape[-1])
        if len(rows) < 2:
            raise ValueError("the Fréchet distance needs two samples or more on either side")
        if len(rows) <= rows.shape[1]:
            mean = rows.mean(0)
            return mean, (rows - mean) / (len(rows) - 1) ** 0.5
        given = Moments.of(rows)
    cov = given.cov
    root, failed = torch.linalg.cholesky_ex(cov)
    if not failed:
        return given.mean, root.T
    values, vectors = torch.linalg.eigh(cov)  # a covariance of fewer samples than dims has no Cholesky factor
    return given.mean, values.clamp(min=0).sqrt()[:, None] * vectors.T


def _rows(features: Tensor, dims: int) -> Tensor:
    rows = features.detach().to("cpu", torch.float64).reshape(-1, features.shape[-1])
    if rows.shape[-1] != dims:
        raise ValueError(f"features have {rows.shape[-1]} numbers, {dims} were expected")
    if not torch.isfinite(rows).all():
        raise UserError("features have values that are not numbers (NaN): the frames or the weights are damaged")
    return rows
