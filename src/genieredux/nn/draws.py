"""Random numbers of clips that do not depend on how a batch is cut into micro-batches and processes.

Whoever computes a part of a batch draws for the whole of it, from the same seed, and takes the rows of its own clips.
"""

from collections.abc import Callable
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


def for_all_clips(
    draw: Callable[[int], Tensor], clips: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """What `draw(clips)` draws with `generator` for these clips, and for all clips of their batch.

    With the second a part of a batch knows how many things the whole has, and means over unequally many stay exact.
    """
    if not isinstance(generator, ClipGenerator):
        drawn = draw(clips)
        return drawn, drawn
    first, own, total = generator.first, generator.clips, generator.total
    if clips != own:
        raise ValueError(f"{clips} clips are drawn for, and the generator is for {own}")
    try:
        every = draw(generator.of(0, total, total).clips)
    finally:
        generator.of(first, own, total)
    return every[first : first + own], every


def usual_count(own: Tensor, every: Tensor) -> Tensor:
    """How many are true in `every` (bool), as a share for as many clips as `own` has; 1 at least in `every`."""
    return every.sum().clamp_min(1) * (len(own) / len(every))
