"""Delta PSNR, how much the true actions helped: PSNR(truth, dream) - PSNR(truth, dream under other actions).

Genie (2402.15391), section 3, and the definition of the published GenieRedux code. Each PSNR is capped first, so that
two perfect frames give 0 and not NaN.
"""

import torch
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Openable
from genieredux.evaluation.metrics.psnr import quality
from genieredux.evaluation.rows import COUNTERFACTUAL, GENIE, LAST_ACTION, MODEL, OTHER_CODE, RANDOM_ACTIONS
from genieredux.evaluation.subjects.drawn import Drawn
from genieredux.frames import capped, psnr

_COUNTERFACTUALS = {GENIE: RANDOM_ACTIONS, OTHER_CODE: OTHER_CODE}


class DeltaPsnr(Openable):
    """Rows: `genie` (all actions random), `last_action` (another last one, at some horizons), `other_code`."""

    about = About("delta_psnr", "ΔPSNR", "dB", 2, "higher", signed=True, at="compare_at", needs=(COUNTERFACTUAL,))

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        model = quality(drawn, MODEL)
        rows = {name: model - quality(drawn, row) for name, row in _COUNTERFACTUALS.items() if row in drawn}
        if drawn.cut:
            rows[LAST_ACTION] = torch.full_like(model, torch.nan)
        for t, (true, other) in drawn.cut.items():
            target = drawn.truth[:, t - 1]
            rows[LAST_ACTION][:, t - 1] = delta_psnr(true, other, target)
        return rows


def delta_psnr(predicted: Tensor, counterfactual: Tensor, truth: Tensor) -> Tensor:
    """In dB per frame; (..., C, H, W) all three -> (...)."""
    return capped(psnr(predicted, truth)) - capped(psnr(counterfactual, truth))
