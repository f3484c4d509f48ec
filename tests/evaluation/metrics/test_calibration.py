import numpy as np
import pytest

from genieredux.evaluation.bootstrap import EpisodeBootstrap, ranks
from genieredux.evaluation.kept import evenly
from genieredux.evaluation.metrics.calibration import BINS, MOST_CLIPS, TokenErrors, calibration


def found(clips=24, seed=0, honest=1.0):
    """Tokens that are wrong as often as their entropy (0..1) says, or by a coin where honest is 0."""
    rng = np.random.default_rng(seed)
    entropy = rng.random((clips, 5, 4, 4)).astype(np.float32)
    chance = honest * entropy + (1 - honest) * 0.5
    wrong = rng.random(entropy.shape) < chance
    return TokenErrors(np.arange(clips), entropy, wrong, (0.1 * chance**2).astype(np.float32))


def report(tokens):
    bootstrap = EpisodeBootstrap(np.arange(len(tokens.clips)) // 2, 200, 0.95, 0)
    quality = 30 - 10 * tokens.wrong.mean((2, 3))
    return calibration(tokens, quality, bootstrap)


def test_an_honest_entropy_is_a_rising_curve_and_correlates():
    tokens = found()
    said = report(tokens)
    rates = [row["error_rate"]["mean"] for row in said["bins"]]
    assert len(rates) == BINS
    assert np.allclose(rates, [row["entropy"] for row in said["bins"]], atol=0.12)
    assert rates[0] < 0.2 < 0.8 < rates[-1]
    assert sum(row["tokens"] for row in said["bins"]) == said["tokens"] == tokens.entropy.size
    weighted = sum(row["tokens"] * row["error_rate"]["mean"] for row in said["bins"]) / said["tokens"]
    assert weighted == pytest.approx(said["error_rate"]["mean"])
    assert said["token"]["wrong"]["pearson"]["low"] > 0.4
    assert said["token"]["mse"]["spearman"]["mean"] == pytest.approx(1, abs=1e-3)
    assert said["frame"]["psnr"]["spearman"]["mean"] < 0  # an unsure frame is a worse one


def test_an_entropy_that_says_nothing_correlates_with_nothing():
    said = report(found(honest=0.0))
    assert said["token"]["wrong"]["pearson"]["low"] < 0 < said["token"]["wrong"]["pearson"]["high"]
    assert abs(said["bins"][0]["error_rate"]["mean"] - said["bins"][-1]["error_rate"]["mean"]) < 0.15


def test_a_world_that_is_always_sure_has_one_bin_and_no_correlation():
    tokens = found()
    tokens.entropy[:] = 0
    said = report(tokens)
    assert [row["tokens"] for row in said["bins"]] == [tokens.entropy.size]
    assert np.isnan(said["token"]["wrong"]["spearman"]["mean"])


def test_correlations_are_those_of_numpy():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 6, (40, 7)).astype(float)  # many ties
    y = x + rng.normal(size=x.shape) + 1e6
    estimate = EpisodeBootstrap(np.arange(40), 500, 0.95, 0).correlation(x, y)
    assert estimate.mean == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1], abs=1e-9)
    assert estimate.low < estimate.mean < estimate.high
    values = np.array([3.0, 1.0, 3.0, 2.0])
    assert ranks(values).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_memory_is_bounded():
    assert len(evenly(100_000, MOST_CLIPS)) == MOST_CLIPS
    assert evenly(3, MOST_CLIPS).tolist() == [0, 1, 2]
