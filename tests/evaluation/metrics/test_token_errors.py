"""Errors of tokens by hand: which are wrong, whose pixels, and what the first frame alone says."""

import numpy as np
import pytest
import torch

from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.metrics.calibration import TokenErrors, calibration, token_errors


def test_a_token_is_wrong_where_it_is_not_the_true_one() -> None:
    true = torch.tensor([[[[1, 2], [3, 4]]]])
    tokens = torch.tensor([[[[1, 7], [3, 7]]]])
    truth = torch.zeros(1, 1, 3, 4, 4)
    frames = truth.clone()
    frames[..., :2, 2:] = 0.5  # the place of the second token
    found = token_errors(np.array([0]), frames, tokens, torch.ones(1, 1, 2, 2), truth, true)
    assert found.wrong.tolist() == [[[[False, True], [False, True]]]]
    assert found.mse.tolist() == [[[[0.0, 0.25], [0.0, 0.0]]]]
    said = calibration(found, np.zeros((1, 1)), EpisodeBootstrap(np.array([0]), 10, 0.95, 0))
    assert said["error_rate"]["mean"] == 0.5


def test_the_first_frame_is_looked_at_by_itself() -> None:
    rng = np.random.default_rng(0)
    entropy = rng.random((6, 3, 4, 4)).astype(np.float32)
    wrong = rng.random(entropy.shape) < 0.5
    wrong[:, 0] = entropy[:, 0] > 0.5  # only there does entropy tell
    found = TokenErrors(np.arange(6), entropy, wrong, entropy)
    said = calibration(found, rng.random((6, 3)), EpisodeBootstrap(np.arange(6), 10, 0.95, 0))
    expected = np.corrcoef(entropy[:, 0].ravel(), wrong[:, 0].ravel())[0, 1]
    assert expected > 0.8
    assert said["first_frame"]["wrong"]["pearson"]["mean"] == pytest.approx(expected, abs=1e-6)
