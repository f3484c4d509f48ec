"""The joint loss: the latent action model's own part of it is there, weighted, and it is what trains its decoder."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genieredux.models.build import build_model
from genieredux.models.types import Batch, Losses

LAM: dict[str, Any] = {"architecture": "conv", "image_size": 16, "dim": 12, "width": 8, "codebook_size": 4}
DYNAMICS: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
TOKENIZER: dict[str, Any] = {
    "architecture": "conv", "image_size": 16, "codebook_size": 32, "codebook_dim": 4, "encoder_width": 8,
    "decoder_width": 8,
}  # fmt: skip


def losses(lam_weight: float) -> tuple[Losses, Any]:
    torch.manual_seed(0)
    tokenizer: Any = build_model("tokenizer", TOKENIZER).eval()
    torch.manual_seed(1)
    config = {"lam": LAM, "dynamics": DYNAMICS, "lam_weight": lam_weight}
    model: Any = build_model("genie_redux", config, tokenizer=tokenizer)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    frames = torch.rand(3, 5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return model.train()(Batch(frames, tokenizer.encode(frames)), torch.Generator().manual_seed(2)), model


def own(found: Losses, vq_weight: float) -> Tensor:
    return found.parts["lam_reconstruction"] + vq_weight * found.parts["lam_quantizer"]


def test_the_total_has_the_latent_loss_with_its_weight() -> None:
    one, model = losses(1.0)
    three, _ = losses(3.0)
    expected = own(one, model.lam.config.vq_weight)
    assert expected > 0.01
    assert (three.total - one.total).item() == pytest.approx(2 * expected.item(), rel=1e-4)


def test_the_decoder_of_latent_actions_learns_from_it_alone() -> None:
    found, model = losses(1.0)
    found.total.backward()
    grad = model.lam.paint[1].weight.grad
    assert grad is not None
    assert grad.norm() > 1e-4
