"""Every weight that is trained has a gradient, however short the clips: several processes wait for all of them."""

from typing import Any

import pytest
import torch

from genieredux.models.build import build_model
from genieredux.models.types import Batch

IMAGE: dict[str, Any] = {"image_size": 16, "patch_size": 4}
ST: dict[str, Any] = {**IMAGE, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8, "codebook_dim": 4}
CONV: dict[str, Any] = {"image_size": 16, "encoder_width": 8, "decoder_width": 8, "codebook_size": 8, "codebook_dim": 4}
TOKENIZERS: dict[str, dict[str, Any]] = {
    "conv": {**CONV, "architecture": "conv"},
    "st-gradient": {**ST, "codebook_size": 8},
    "st-ema": {**ST, "codebook_size": 8, "quantizer": "ema", "peg": False, "feedforwards_per_block": 1},
    "st-fsq": {**ST, "quantizer": "fsq", "fsq_levels": (4, 4), "normalise_context": True},
}
LAMS: dict[str, dict[str, Any]] = {
    "conv": {**IMAGE, "architecture": "conv", "dim": 16, "width": 8, "codebook_size": 4, "codebook": "categorical"},
    "st": {**ST, "codebook_size": 4, "codebook": "categorical"},
    "st-nearest": {**ST, "codebook_size": 4, "codebook": "nearest"},
}
HISTORY: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
MASKGIT: dict[str, Any] = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
DYNAMICS: dict[str, dict[str, Any]] = {
    "history": HISTORY,
    "maskgit": MASKGIT,
    "in-place": {**MASKGIT, "objective": "in_place", "clean_history": "all", "conditioning": "film"},
    "embedded": {**MASKGIT, "conditioning": "concat_input", "action_input": "embedding", "token_input": "ids"},
    "stem": {**MASKGIT, "conditioning": "prepend", "stem": "conv", "logits": "tied", "token_input": "codes"},
}


def without_gradient(model: torch.nn.Module, frames: int) -> list[str]:
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        frames=torch.rand(2, frames, 3, 16, 16, generator=generator),
        tokens=torch.randint(8, (2, frames, 4, 4), generator=generator),
        actions=torch.randint(3, (2, frames - 1), generator=generator),
    )
    model.train()(batch, generator).total.backward()
    return [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]


def make_tokenizer(**changes: Any) -> Any:
    return build_model("tokenizer", {**TOKENIZERS["st-gradient"], **changes})


@pytest.mark.parametrize("frames", [1, 2, 3])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokenizers(name: str, frames: int) -> None:
    assert without_gradient(build_model("tokenizer", TOKENIZERS[name]), frames) == []


@pytest.mark.parametrize("frames", [2, 3])
@pytest.mark.parametrize("name", LAMS)
def test_latent_action_models(name: str, frames: int) -> None:
    assert without_gradient(build_model("latent_action_model", LAMS[name]), frames) == []


@pytest.mark.parametrize("frames", [2, 3])
@pytest.mark.parametrize("name", DYNAMICS)
def test_dynamics(name: str, frames: int) -> None:
    parts = {"tokenizer": make_tokenizer(), "action_names": ("A", "B", "C")}
    assert without_gradient(build_model("genie_redux_guided", DYNAMICS[name], **parts), frames) == []


@pytest.mark.parametrize("lam_weight", [1.0, 0.0])
@pytest.mark.parametrize("dynamics", [HISTORY, {**MASKGIT, "conditioning": "add"}], ids=["history", "maskgit"])
@pytest.mark.parametrize("name", LAMS)
def test_genie_redux(name: str, dynamics: dict[str, Any], lam_weight: float) -> None:
    config = {"lam": LAMS[name], "dynamics": dynamics, "lam_weight": lam_weight}
    assert without_gradient(build_model("genie_redux", config, tokenizer=make_tokenizer()), 2) == []
