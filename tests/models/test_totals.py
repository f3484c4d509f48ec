"""What a tokenizer and a latent action model add up to a loss, computed again from what they give."""

from typing import Any

import pytest
import torch

from genieredux.models.build import build_model
from genieredux.models.types import Batch

CONV = {"architecture": "conv", "image_size": 16, "codebook_size": 16, "encoder_width": 8, "decoder_width": 8}
LAM = {"architecture": "conv", "image_size": 16, "dim": 12, "width": 8, "codebook_size": 4}
FRAMES = torch.rand(2, 5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def made(kind: str, config: dict[str, Any], vq_weight: float) -> Any:
    torch.manual_seed(0)
    model = build_model(kind, {**config, "vq_weight": vq_weight})
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.train()


@pytest.mark.parametrize(("kind", "config"), [("tokenizer", CONV), ("latent_action_model", LAM)])
def test_the_codebooks_loss_counts_with_its_weight(kind: str, config: dict[str, Any]) -> None:
    for weight in (0.0, 0.5, 3.0):
        found = made(kind, config, weight)(Batch(FRAMES), torch.Generator().manual_seed(1))
        assert found.parts["quantizer"] > 1e-4
        expected = found.parts["reconstruction"] + weight * found.parts["quantizer"]
        torch.testing.assert_close(found.total.detach(), expected)


def test_a_decoder_that_says_nothing_draws_grey() -> None:
    model = made("tokenizer", CONV, 1.0)
    for parameter in model.decoder.parameters():
        torch.nn.init.zeros_(parameter)
    drawn = model.decode(torch.zeros(1, 2, *model.grid, dtype=torch.int64))
    assert torch.equal(drawn, torch.full_like(drawn, 0.5))


def test_a_latent_action_model_is_measured_by_the_frames_that_follow() -> None:
    model = made("latent_action_model", LAM, 0.0)
    for parameter in model.paint.parameters():
        torch.nn.init.zeros_(parameter)
    drawn = model.reconstruct(FRAMES, torch.zeros(2, 4, dtype=torch.int64)).detach()
    torch.testing.assert_close(drawn, FRAMES[:, :-1])  # nothing is painted on the frame before
    found = model(Batch(FRAMES), torch.Generator().manual_seed(1))
    torch.testing.assert_close(found.parts["reconstruction"], (drawn - FRAMES[:, 1:]).square().mean())
