"""Random numbers of clips that do not depend on how a batch is cut into micro-batches and processes.

Whoever computes a part of a batch draws for the whole of it, from the same seed, and takes the rows of its own clips.
"""

from typing import Self

import torch
from torch import Tensor


class ClipGenerator(torch.Generator):
    """A generator for `clips` clips of a batch of `total`, of which they are those from number `first` on."""

    first: int
    clips: int
    total: int

    def of(self, first: int, clips: int, total: int) -> Self:
        """Say which clips these are; returns itself."""
        if not 0 <= first <= first + clips <= total:
            raise ValueError(f"clips {first} to {first + clips} are not in a batch of {total}")
        self.first, self.clips, self.total = first, clips, total
        return self


def uniform(
    shape: tuple[int, ...] | torch.Size,
    generator: torch.Generator | None,
    device: torch.device,
    *,
    shared: bool = False,
) -> Tensor:
    """Uniform in [0, 1), drawn on the generator's device so that a seed gives the same numbers anywhere.

    The rows belong to clips, each to the same number of rows. shared: they do not, all clips share what is drawn.
    """
    source = device if generator is None else generator.device
    if shared or not isinstance(generator, ClipGenerator):
        return torch.rand(shape, generator=generator, device=source).to(device)
    rows, rest = divmod(shape[0], generator.clips)
    if rest:
        raise ValueError(f"{shape[0]} rows are not as many for each of {generator.clips} clips")
    drawn = torch.rand((rows * generator.total, *shape[1:]), generator=generator, device=source)
    return drawn[rows * generator.first : rows * (generator.first + generator.clips)].to(device)
