"""Clips without end: the rule of which frames a frame is run after, for every way of feeding them."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig

FRAMES = 15


def make(length: int) -> STViViT:
    torch.manual_seed(0)
    config = STViViTConfig(image_size=8, dim=16, blocks=2, heads=2, dim_head=8, codebook_size=16, clip_frames=length)
    return STViViT(config).eval().requires_grad_(False)


def starts(length: int) -> Iterator[int]:
    """The rule of docs/architecture.md in other words: where the clip of each frame begins."""
    start = 0
    for number in range(FRAMES):
        if number - start == length:
            start = number - length // 2
        yield start


def expected(tokenizer: STViViT, length: int, tokens: Tensor) -> Tensor:
    """Every frame as the last of a clip that is decoded by itself, as in training."""
    clips = [tokenizer.decode(tokens[:, start : k + 1])[:, -1] for k, start in enumerate(starts(length))]
    return torch.stack(clips, 1)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 7), cuts=st.lists(st.integers(1, 6), min_size=1, max_size=FRAMES), seed=st.integers(0, 99))
@torch.no_grad()
def test_every_frame_is_decoded_in_a_clip_no_longer_than_in_training(length: int, cuts: list[int], seed: int) -> None:
    tokenizer = make(length)
    tokens = torch.randint(16, (2, FRAMES, 2, 2), generator=torch.Generator().manual_seed(seed))
    stream, drawn, start = tokenizer.new_stream(), [], 0
    while start < FRAMES:
        count = cuts[len(drawn) % len(cuts)]
        drawn.append(stream.decode(tokens[:, start : start + count]))
        start += count
    torch.testing.assert_close(torch.cat(drawn, 1), expected(tokenizer, length, tokens), atol=1e-5, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(1, 7),
    told=st.lists(st.booleans(), min_size=FRAMES, max_size=FRAMES),
    peek=st.lists(st.booleans(), min_size=FRAMES, max_size=FRAMES),
)
@torch.no_grad()
def test_frames_that_are_told_and_frames_that_are_drawn_are_one_past(
    length: int, told: list[bool], peek: list[bool]
) -> None:
    """Any mixture of `encode` and `decode`, with looks ahead that leave no trace."""
    tokenizer = make(length)
    generator = torch.Generator().manual_seed(length)
    stream, frames, tokens = tokenizer.new_stream(), [], []
    for number, start in enumerate(starts(length)):
        new = torch.randint(16, (2, 1, 2, 2), generator=generator)
        if peek[number]:
            stream.decode((new + 1) % 16, keep=False)
        if told[number]:
            frames.append(torch.rand(2, 1, 3, 8, 8, generator=generator))
            tokens.append(stream.encode(frames[-1]))
            whole = tokenizer.encode(torch.cat(frames, 1)[:, start:])
            assert torch.equal(tokens[-1], whole[:, -1:])
        else:
            tokens.append(new)
            frames.append(stream.decode(new))
            whole = tokenizer.decode(torch.cat(tokens, 1)[:, start:])
            torch.testing.assert_close(frames[-1], whole[:, -1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [1, 4, 5])
@torch.no_grad()
def test_up_to_the_length_of_training_a_stream_is_one_clip(length: int) -> None:
    tokenizer = make(length)
    frames = torch.rand(2, length, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    tokens = tokenizer.encode(frames)
    stream = tokenizer.new_stream()
    assert torch.equal(stream.encode(frames), tokens)
    drawn = tokenizer.new_stream().decode(tokens)
    torch.testing.assert_close(drawn, tokenizer.decode(tokens), atol=1e-5, rtol=1e-4)
