"""AdamW for all but matrices, which go by Muon: their momentum, made orthogonal (Jordan et al. 2024).

What AdamW does to a matrix is mostly along a few directions, and the others hardly learn. Made orthogonal, every
direction of the momentum counts alike (docs/canvas.md says what a small world gains). Updates are as large as AdamW's
(Liu et al. 2025, Muon is Scalable for LLM Training), so that both go by one learning rate. torch's own Muon takes no
convolutions, and computes in bfloat16, which is slow on many processors. Knows no model and no loop.
"""

from typing import Any

import torch
from torch import Tensor, distributed

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
        moving = [
            (parameter, group["lr"], group["weight_decay"], self._ahead(parameter, parameter.grad))
            for group in groups
            for parameter in (group["params"] if group["orthogonal"] else ())
            if parameter.grad is not None
        ]
        turned = all_orthogonal([ahead for *_, ahead in moving])
        for (parameter, rate, decay, ahead), direction in zip(moving, turned, strict=True):
            size = rate * _LIKE_ADAMW * max(ahead.shape) ** 0.5
            parameter.mul_(1 - rate * decay).add_(direction.view_as(parameter), alpha=-size)

    def _ahead(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """The momentum with this gradient, a step ahead (Nesterov), as a matrix."""
        state = self.state[parameter]
        if not state:
            state["step"], state[BUFFER] = torch.tensor(0.0), torch.zeros_like(parameter)
        state["step"] += 1
        state[BUFFER].lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(state[BUFFER], _MOMENTUM).flatten(1)


def all_orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """Each of them made orthogonal. Where a training has several processes, which all have the same matrices, each does
    its share and tells the others."""
    if not matrices or not distributed.is_initialized() or distributed.get_world_size() == 1:
        return [orthogonal(matrix) for matrix in matrices]
    mine, sizes = distributed.get_rank(), [matrix.numel() for matrix in matrices]
    together = matrices[0].new_zeros(sum(sizes))
    places = together.split(sizes)
    for owner, matrix, place in zip(shares(matrices, distributed.get_world_size()), matrices, places, strict=True):
        if owner == mine:
            place.copy_(orthogonal(matrix).flatten())
    distributed.all_reduce(together)  # all but one are 0 everywhere: no rounding
    return [place.view_as(matrix) for place, matrix in zip(places, matrices, strict=True)]


def shares(matrices: list[Tensor], processes: int) -> list[int]:
    """Which of the processes makes each matrix orthogonal: the costly ones first, each by who has least to do."""
    costs = []
    for matrix in matrices:
        short, long = sorted(matrix.shape)
        costs.append(short * short * (4 * _ROUNDS * short + 2 * long))
    work, owners = [0] * processes, [0] * len(matrices)
    for index in sorted(range(len(matrices)), key=lambda index: -costs[index]):
        owners[index] = work.index(min(work))
        work[owners[index]] += costs[index]
    return owners


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
