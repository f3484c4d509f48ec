"""Action following: where something moved, does the dream under the true actions show it better than one under random
actions? Both dreams share their sampling noise, so that nothing but the actions differs.

What did not move is left out: it flatters every dream alike. A window in which nothing moved has no number.
"""

import torch
from torch import Tensor

from genieredux.evaluation.about import About
from genieredux.evaluation.metrics.metric import Openable
from genieredux.evaluation.rows import MODEL, RANDOM_ACTIONS
from genieredux.evaluation.subjects.drawn import Drawn


class ActionFollowing(Openable):
    """1 where the true actions predict what moved better, 0 where worse, 1/2 where alike; 1/2 on average is chance."""

    about = About("action_following", "Action following", better="higher", needs=(MODEL, RANDOM_ACTIONS))

    def __call__(self, drawn: Drawn) -> dict[str, Tensor]:
        """See Metric."""
        before = drawn.prompt[:, -1:]
        return {MODEL: follows(drawn.frames(MODEL), drawn.frames(RANDOM_ACTIONS), before, drawn.truth)}


def follows(obeyed: Tensor, random: Tensor, before: Tensor, truth: Tensor) -> Tensor:
    """float32 (B, N) of 0, 1/2 or 1, NaN where no pixel moved. obeyed, random, truth: (B, N, C, H, W); before: the
    prompt's last frame, (B, 1, C, H, W). A pixel moved where any of its channels differs between `before` and truth.
    """
    moved = (truth != before).any(2, keepdim=True)

    def error(frames: Tensor) -> Tensor:
        return ((frames.double() - truth.double()).square() * moved).sum((-3, -2, -1))

    better = (torch.sign(error(random) - error(obeyed)) + 1) / 2
    return torch.where(moved.flatten(2).any(2), better, torch.nan).float()
