"""The family of policies: how much curiosity (beta) and how far ahead (gamma) each of N policies has.

Policy 0 is the one that exploits: no curiosity, the longest horizon. Knows no network.
"""

import math

import numpy as np
from numpy.typing import NDArray

from genieredux.checking import require


def betas(policies: int, largest: float) -> NDArray[np.float64]:
    """beta_0 = 0, beta_(N-1) = `largest`, between them a sigmoid (NGU, appendix A; Agent57, appendix G).

    beta_j = largest * sigma(10 (2j - (N - 2)) / (N - 2)) for 0 < j < N - 1.
    """
    ladder = np.zeros(policies)
    if policies > 1:
        ladder[-1] = largest
    for j in range(1, policies - 1):
        ladder[j] = largest * _sigmoid(10 * (2 * j - (policies - 2)) / (policies - 2))
    return ladder


def log_gammas(policies: int, longest: float, shortest: float) -> NDArray[np.float64]:
    """gamma_0 = `longest` to gamma_(N-1) = `shortest`, evenly spaced in log(1 - gamma) (NGU, appendix A).

    gamma_j = 1 - exp(((N - 1 - j) log(1 - longest) + j log(1 - shortest)) / (N - 1)).
    """
    share = np.arange(policies, dtype=np.float64) / max(policies - 1, 1)
    logs = (1 - share) * math.log(1 - longest) + share * math.log(1 - shortest)
    return np.asarray(1 - np.exp(logs), np.float64)


def agent57_gammas(
    policies: int, longest: float = 0.9999, middle: float = 0.997, shortest: float = 0.99
) -> NDArray[np.float64]:
    """Agent57, appendix G: gamma_0 = `longest`; 1 to 6 fall to `middle` by a sigmoid; 7 is `middle`; from 8 on
    log(1 - gamma) goes evenly to `shortest`, which the last has.

    gamma_j = middle + (longest - middle) sigma(10 (6 - 2j) / 6) for 0 < j < 7. (The paper prints 2j - 6, which would
    rise from 1 to 6 between two falls; its figure falls throughout, as here.) Needs 10 policies.
    """
    require(policies >= 10, "agent.policies", policies, "10 or more for agent.gammas=agent57; gammas=log takes fewer")
    ladder = np.full(policies, middle, np.float64)
    ladder[0] = longest
    for j in range(1, 7):
        ladder[j] = middle + (longest - middle) * _sigmoid(10 * (6 - 2 * j) / 6)
    share = np.arange(policies - 8, dtype=np.float64) / (policies - 9)
    ladder[8:] = 1 - np.exp((1 - share) * math.log(1 - middle) + share * math.log(1 - shortest))
    return ladder


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))
