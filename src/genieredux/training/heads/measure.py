"""How good heads are on transitions that they did not learn from. Mathematics of scores and truths; knows no file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Judgement:
    """How well a chance tells something that happens or does not.

    count: transitions looked at; happened: how many of them. base: its share. auc: area under the ROC curve (the chance
    that something that happened scores above something that did not; 0.5 knows nothing), precision_mean: area under the
    precision-recall curve (average precision; `base` knows nothing). precision, recall: where the chance is above one
    half. expected: the mean chance, which equals `base` where chances can be believed. NaN where nothing happened.
    """

    count: int
    happened: int
    base: float
    auc: float
    precision_mean: float
    precision: float
    recall: float
    expected: float


def judge(
    chances: NDArray[np.float64], truth: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> Judgement:
    """chances: (N,) in [0, 1]. truth: bool (N,). weights: of each transition, where some were drawn more often."""
    weights = np.ones(len(truth)) if weights is None else weights
    weights = weights / weights.sum()
    base = float(weights[truth].sum())
    expected = float((weights * chances).sum())
    if not 0 < base < 1:
        auc = precision_mean = precision_half = recall_half = float("nan")
        return Judgement(len(truth), int(truth.sum()), base, auc, precision_mean, precision_half, recall_half, expected)
    order = np.argsort(-chances, kind="stable")
    score, hit = chances[order], np.where(truth[order], weights[order], 0).cumsum()
    miss = np.where(truth[order], 0, weights[order]).cumsum()
    last = np.flatnonzero(np.append(np.diff(score) != 0, True))  # equal scores are decided together
    recall, false = np.append(0, hit[last] / base), np.append(0, miss[last] / (1 - base))
    precision = hit[last] / (hit[last] + miss[last])
    above = chances > 0.5
    said, right = weights[above].sum(), weights[above & truth].sum()
    return Judgement(
        count=len(truth),
        happened=int(truth.sum()),
        base=base,
        auc=float((np.diff(false) * (recall[1:] + recall[:-1]) / 2).sum()),
        precision_mean=float((np.diff(recall) * precision).sum()),
        precision=float(right / said) if said else float("nan"),
        recall=float(right / base),
        expected=expected,
    )
