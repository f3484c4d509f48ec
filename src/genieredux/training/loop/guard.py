"""Noticing a loss that is no longer a number, without making the device wait. Knows no loop."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class FiniteGuard:
    """Remembers, on the device, the first step at which a watched value was not finite."""

    def __init__(self, device: torch.device) -> None:
        self._first = torch.tensor(math.inf, device=device)

    def watch(self, step: int, values: Sequence[Tensor]) -> None:
        """Look at values of update `step`; costs no synchronisation."""
        for value in values:
            here = torch.where(torch.isfinite(value.detach()).all(), math.inf, float(step))
            self._first = torch.minimum(self._first, here.to(self._first))

    def first_bad_step(self) -> float:
        """The step, or inf when all was finite. Waits for the device."""
        return float(self._first)
