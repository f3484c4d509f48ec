"""The ladders of beta and gamma, against values worked out by hand."""

import math

import numpy as np
import pytest

from genieredux.errors import UserError
from genieredux.models.agent57.families import agent57_gammas, betas, log_gammas


def sigma(x):
    return 1 / (1 + math.exp(-x))


def test_betas_by_hand():
    # N = 8: beta_j = 0.3 sigma(10 (2j - 6) / 6)
    by_hand = [0.0, *(0.3 * sigma(10 * (2 * j - 6) / 6) for j in range(1, 7)), 0.3]
    np.testing.assert_allclose(betas(8, 0.3), by_hand)
    assert betas(8, 0.3)[3] == pytest.approx(0.15)  # sigma(0)
    assert betas(32, 0.3)[16] == pytest.approx(0.3 * sigma(20 / 30))  # 2 * 16 - 30 = 2
    assert (np.diff(betas(32, 0.3)) > 0).all()
    assert betas(1, 0.3).tolist() == [0.0]
    assert betas(2, 0.3).tolist() == [0.0, 0.3]
    assert betas(3, 0.3).tolist() == [0.0, pytest.approx(0.3 * sigma(10)), 0.3]  # 2 - 1 = 1 of 1


def test_log_gammas_by_hand():
    # 1 - gamma goes from 0.01 to 0.1 in two equal factors: 0.01, 0.0316228, 0.1
    np.testing.assert_allclose(log_gammas(3, 0.99, 0.9), [0.99, 1 - 0.0316227766, 0.9])
    assert log_gammas(1, 0.997, 0.97).tolist() == [0.997]


def test_agent57_gammas_by_hand():
    ladder = agent57_gammas(32)
    assert ladder[0] == 0.9999
    assert ladder[3] == pytest.approx(0.997 + 0.0029 * 0.5)  # sigma(0)
    assert ladder[1] == pytest.approx(0.997 + 0.0029 * sigma(20 / 3))
    assert ladder[6] == pytest.approx(0.997 + 0.0029 * sigma(-10))
    assert ladder[7] == 0.997
    assert ladder[8] == pytest.approx(0.997)
    assert ladder[31] == pytest.approx(0.99)
    assert 1 - ladder[20] == pytest.approx(0.003 * (0.01 / 0.003) ** (12 / 23))
    assert (np.diff(ladder) <= 0).all()
    with pytest.raises(UserError, match=r"agent.policies is 9; it must be 10 or more for agent.gammas=agent57"):
        agent57_gammas(9)
