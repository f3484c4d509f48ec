"""The Fréchet distance: known answers, the published number, and the same number however features arrive."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.evaluation.metrics import frechet as module
from genieredux.evaluation.metrics.frechet import frechet_distance, frechet_floor
from genieredux.evaluation.rows import TRUTH
from published_cases import read


def with_moments(mean: torch.Tensor, cov: torch.Tensor, count: int = 64, seed: int = 0) -> torch.Tensor:
    """Samples (count, dims) whose sample mean and unbiased covariance are exactly these."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(count, len(mean), generator=generator, dtype=torch.float64)
    raw = raw - raw.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(raw.T @ raw / (count - 1)), raw.T, upper=False).T
    return white @ torch.linalg.cholesky(cov).T + mean


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), dims=st.integers(1, 6))
def test_commuting_gaussians_have_a_closed_form(seed, dims):
    # Covariances Q diag(a) Q^T and Q diag(b) Q^T: |m|^2 + sum (sqrt a - sqrt b)^2
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    turn = torch.linalg.qr(torch.randn(dims, dims, **draw)).Q
    a, b = torch.rand(dims, **draw) + 0.1, 4 * torch.rand(dims, **draw) + 0.1
    shift = torch.randn(dims, **draw)
    first = with_moments(torch.zeros(dims, dtype=torch.float64), turn * a @ turn.T, seed=1)
    second = with_moments(shift, turn * b @ turn.T, seed=2)
    expected = float(shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_covariances_that_do_not_commute():
    # In two dimensions tr (C_a C_b)^(1/2) = sqrt(tr(C_a C_b) + 2 sqrt(det C_a det C_b)).
    a = torch.tensor([[2.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    b = torch.tensor([[1.0, -0.5], [-0.5, 3.0]], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.float64)
    cross = ((a @ b).trace() + 2 * (a.det() * b.det()).sqrt()).sqrt()
    expected = float(a.trace() + b.trace() - 2 * cross)
    assert frechet_distance(with_moments(zero, a), with_moments(zero, b, seed=1)) == pytest.approx(expected, rel=1e-12)


def test_the_published_number():
    published = read("metrics")
    real, fake = published["feat_real"], published["feat_fake"]
    assert frechet_distance(real, fake) == pytest.approx(published["fid"], abs=1e-6)


def by_root(a: torch.Tensor, b: torch.Tensor) -> float:
    """The formula with a symmetric root: (C_a C_b)^(1/2) has the trace of (S C_b S)^(1/2), S^2 = C_a."""
    (mean_a, cov_a), (mean_b, cov_b) = ((of.double().mean(0), torch.cov(of.double().T)) for of in (a, b))
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


@pytest.mark.parametrize("samples", [7, 40, 41, 300])
def test_it_is_the_formula_above_and_below_full_rank(samples):
    generator = torch.Generator().manual_seed(samples)
    a = torch.randn(samples, 40, generator=generator)
    b = 1.5 * torch.randn(samples + 3, 40, generator=generator) + 0.2
    b[:, 3] = 0  # a dead feature: a covariance without an inverse
    of_features = frechet_distance(a, b)
    assert of_features == pytest.approx(by_root(a, b), rel=1e-6)
    assert frechet_distance(b, a) == pytest.approx(of_features, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_the_floor_is_of_whole_episodes_and_shrinks_with_samples():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(400, 8, generator=generator)
    few, many = (frechet_floor(features[:n], np.arange(n) // 4) for n in (40, 400))
    assert 0 < many < few
    shift = torch.zeros(400, 8)
    shift[:200] = 5  # two episodes that differ: the halves are these two
    assert frechet_floor(features + shift, np.repeat([7, 9], 200)) > 8 * 25 * 0.9
    with pytest.raises(UserError, match="two episodes"):
        frechet_floor(features, np.zeros(400))


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="two samples"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(ValueError, match="do not compare"):
        frechet_distance(torch.zeros(5, 4), torch.zeros(5, 3))
    with pytest.raises(UserError, match="NaN"):
        frechet_distance(torch.tensor([[0.0, torch.nan], [0.0, 1.0]]), torch.zeros(5, 2))


def test_the_halves_of_the_floor_are_of_whole_episodes(monkeypatch):
    given_to_floor = []
    monkeypatch.setattr(module, "frechet_floor", lambda *given: given_to_floor.append(given))
    truth = np.random.default_rng(0).normal(size=(4, 3, 2))
    module.frechet({TRUTH: truth}, np.array([7, 7, 9, 9]), by_frame=False)
    episodes = next(np.asarray(one) for one in given_to_floor[0] if np.asarray(one).ndim == 1)
    assert episodes.tolist() == [7] * 6 + [9] * 6
