"""What is done to a clip in training alone, and on which frames a decoder loss is measured."""

from typing import Any

import pytest
import torch
from torch import nn

from factories import ACTIONS, make_tokenizer
from genieredux.models.build import build_model
from genieredux.models.types import Batch, Losses

REFINER: dict[str, Any] = {"architecture": "history_refiner", "dim": 16, "heads": 2, "group": 1}
MASKGIT: dict[str, Any] = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}


def make(settings: dict[str, Any]) -> nn.Module:
    """With the same weights whatever the settings."""
    torch.manual_seed(0)
    tokenizer = make_tokenizer(image_size=16)
    model = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def clips(model: Any, frames: int = 5) -> Batch:
    torch.manual_seed(2)
    tokens = torch.randint(model.mask_id, (2, frames, *model.grid))
    return Batch(tokens=tokens, actions=torch.randint(len(ACTIONS), (2, frames - 1)))


def losses(model: nn.Module, batch: Batch) -> Losses:
    made: Losses = model(batch, torch.Generator().manual_seed(3))
    return made


@pytest.mark.parametrize(
    ("settings", "change"),
    [
        (REFINER, {"history_noise": 0.9}),
        (REFINER, {"own_history": 1.0}),
        (MASKGIT, {"history_noise": 0.9}),
    ],
    ids=["refiner-noise", "refiner-own-history", "maskgit-noise"],
)
def test_a_past_is_disturbed_in_training_alone(settings: dict[str, Any], change: dict[str, Any]) -> None:
    clean = {**settings, "history_noise": 0.0}
    plain, disturbed = make(clean), make({**clean, **change})
    batch = clips(plain)
    assert losses(plain.train(), batch).total != losses(disturbed.train(), batch).total
    assert torch.equal(losses(plain.eval(), batch).total, losses(disturbed.eval(), batch).total)


@pytest.mark.parametrize("settings", [REFINER, MASKGIT], ids=["refiner", "maskgit"])
def test_training_looks_no_further_back_than_the_window(settings: dict[str, Any]) -> None:
    narrow, wide = make({**settings, "window": 2}).eval(), make({**settings, "window": 8}).eval()
    batch = clips(narrow, 7)
    assert losses(narrow, batch).total != losses(wide, batch).total


def test_a_past_of_its_own_is_one_frame_behind_what_it_predicts_from() -> None:
    """The model's own frames 1.. replace the true ones; the first frame, which nothing predicts, stays."""
    model: Any = make({**REFINER, "own_history": 1.0}).train()
    batch = clips(model)
    past = batch.tokens[:, :-1]  # type: ignore[index]
    own = model._relive(past, batch.actions, torch.Generator().manual_seed(0))
    assert torch.equal(own[:, 0], past[:, 0])
    outlook = model.look_ahead(past[:, :-1], batch.actions[:, : past.shape[1] - 1])  # type: ignore[index]
    logits = model.logits(outlook, torch.full_like(past[:, 1:], model.mask_id).flatten(0, 1))
    expected = logits.softmax(-1) @ model.codes
    nearest = torch.cdist(expected, model.codes).argmin(-1).view_as(past[:, 1:])
    assert (own[:, 1:] == nearest).float().mean() > 0.99


def test_decoded_pixels_are_compared_with_the_true_ones() -> None:
    torch.manual_seed(0)
    tokenizer = make_tokenizer(image_size=16)
    settings = {**MASKGIT, "decoder_weight": 1.0}
    model = build_model("genie_redux_guided", settings, tokenizer=tokenizer, action_names=ACTIONS).eval()
    batch = clips(model)
    batch.frames = torch.rand(2, 5, 3, 16, 16)
    first = losses(model, batch).parts["decoded"]
    batch.frames = batch.frames.clone()
    batch.frames[:, 0] = 0  # nobody predicts the first frame
    assert torch.equal(losses(model, batch).parts["decoded"], first)
    batch.frames[:, 1:] = 0
    assert not torch.equal(losses(model, batch).parts["decoded"], first)
