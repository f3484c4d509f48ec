"""AdamW for all but matrices, which go by Muon: their momentum, made orthogonal (Jordan et al. 2024).

What AdamW does to a matrix is mostly along a few directions, and the others hardly learn. Made orthogonal, every
direction of the momentum counts alike (docs/canvas.md says what a small world gains). Updates are as large as AdamW's
(Liu et al. 2025, Muon is Scalable for LLM Training), so that both go by one learning rate. torch's own Muon takes no
convolutions, and computes in bfloat16, which is slow on many processors. Knows no model and no loop.
"""

from typing import Any

import torch
from torch import Tensor

BUFFER = "momentum"
"""What is remembered of a matrix, of its size; AdamW remembers two such."""
_MOMENTUM = 0.95
_LIKE_ADAMW = 0.4
"""The root mean square of an update of AdamW, of the learning rate (.2 to .4, Liu et al.)."""
_ROUNDS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of x, x^3 and x^5: what brings singular values between 0 and 1 near 1 in so many rounds."""


class Muon(torch.optim.AdamW):
    """AdamW, and Muon for the groups of which `orthogonal` is true."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("this optimiser evaluates nothing again: compute the gradients before it steps")
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            for parameter in group["params"] if group["orthogonal"] else ():
                if parameter.grad is not None:
                    self._turn(parameter, parameter.grad, group["lr"], group["weight_decay"])

    def _turn(self, parameter: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"], state[BUFFER] = torch.tensor(0.0), torch.zeros_like(parameter)
        state["step"] += 1
        state[BUFFER].lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(state[BUFFER], _MOMENTUM).flatten(1)
        size = rate * _LIKE_ADAMW * max(ahead.shape) ** 0.5
        parameter.mul_(1 - rate * decay).add_(orthogonal(ahead).view_as(parameter), alpha=-size)


def orthogonal(matrix: Tensor) -> Tensor:
    """A float32 matrix (M, N) with its singular vectors, its singular values being near 1 (about .7 to 1.2; the very
    small ones less): the Newton-Schulz iteration, all of whose products but two are of the smaller side."""
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T).T
    matrix = matrix / (matrix.norm() + 1e-7)
    squares, turned = matrix @ matrix.T, torch.eye(len(matrix), device=matrix.device, dtype=matrix.dtype)
    first, third, fifth = _QUINTIC
    for _ in range(_ROUNDS):
        step = torch.addmm(squares, squares, squares, beta=third, alpha=fifth)
        step.diagonal().add_(first)
        turned, squares = step @ turned, step @ squares @ step
    return turned @ matrix
