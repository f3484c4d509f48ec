"""Parts of a batch draw what the whole batch draws."""

import pytest
import torch

from genieredux.nn.draws import ClipGenerator, uniform

CPU = torch.device("cpu")


def part(first: int, clips: int, total: int = 6) -> ClipGenerator:
    return ClipGenerator().manual_seed(3).of(first, clips, total)


def drawn(generator: torch.Generator) -> list[torch.Tensor]:
    clips = getattr(generator, "clips", 6)
    shapes = ((clips, 2), (3 * clips,), (clips, 1, 4))
    return [uniform(shape, generator, CPU) for shape in shapes] + [uniform((1, 5), generator, CPU, shared=True)]


@pytest.mark.parametrize("cut", [(6,), (3, 3), (1, 2, 3), (1,) * 6])
def test_parts_in_their_order_are_the_whole(cut: tuple[int, ...]) -> None:
    whole = drawn(torch.Generator().manual_seed(3))
    parts, first = [], 0
    for clips in cut:
        parts.append(drawn(part(first, clips)))
        first += clips
    for index in range(3):
        assert torch.equal(torch.cat([one[index] for one in parts]), whole[index])
    assert all(torch.equal(one[3], whole[3]) for one in parts)


def test_clips_are_told_apart() -> None:
    a, b = (uniform((1, 100), part(first, 1), CPU) for first in (0, 1))
    assert not torch.equal(a, b)


def test_rows_and_clips_must_fit() -> None:
    with pytest.raises(ValueError, match="5 rows"):
        uniform((5, 2), part(0, 2), CPU)
    with pytest.raises(ValueError, match="not in a batch of 6"):
        part(5, 2)
