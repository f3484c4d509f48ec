"""The convolutional tokenizer: shapes, frame by frame, learns, refuses what does not fit."""

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.tokenizers.conv import ConvTokenizer, ConvTokenizerConfig
from genieredux.models.types import Batch


def test_frames_become_tokens_and_frames_again(tokenizer: ConvTokenizer) -> None:
    frames = torch.rand(2, 3, 3, 32, 32)
    tokens = tokenizer.encode(frames)
    assert tokens.shape == (2, 3, 8, 8)
    assert tokens.dtype == torch.int64
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < tokenizer.codebook_size
    restored = tokenizer.decode(tokens).detach()
    assert restored.shape == frames.shape
    assert restored.dtype == torch.float32
    assert 0 <= float(restored.min()) <= float(restored.max()) <= 1


def test_each_frame_is_encoded_by_itself(tokenizer: ConvTokenizer) -> None:
    frames = torch.rand(2, 4, 3, 32, 32)
    one_by_one = torch.cat([tokenizer.encode(frames[:, t : t + 1]) for t in range(4)], 1)
    assert torch.equal(tokenizer.encode(frames), one_by_one)


@pytest.mark.parametrize("quantizer", ["ema", "gradient", "fsq"])
def test_it_learns(quantizer: str) -> None:
    torch.manual_seed(0)
    config = ConvTokenizerConfig(
        image_size=16,
        encoder_width=16,
        decoder_width=16,
        codebook_size=32,
        quantizer=quantizer,
        fsq_levels=(4, 4, 4),
    )
    model = ConvTokenizer(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    coarse = torch.rand(64, 1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    frames = coarse.repeat_interleave(4, -1).repeat_interleave(4, -2)
    losses = []
    for step in range(60):
        loss = model(Batch(frames=frames), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append(float(loss.parts["reconstruction"]))
    assert losses[-1] < 0.5 * losses[0]


def test_an_image_that_no_patch_divides_is_refused() -> None:
    with pytest.raises(UserError, match=r"image size 30 is not divisible by patch size 4.*patch_size="):
        ConvTokenizerConfig(image_size=30)
