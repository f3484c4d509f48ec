"""GenieRedux: both parts learn, a frozen latent action model does not, and codes steer like actions."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from factories import tokenizer_of
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.checkpoint import save_model
from genieredux.models.latent.genie_redux import GenieRedux
from genieredux.models.latent.mapping import ActionMapping
from genieredux.models.tokenizers.conv import ConvTokenizer, ConvTokenizerConfig
from genieredux.models.types import Batch
from genieredux.models.world.contract import check_world
from genieredux.models.world.model import WorldModel

LAM: dict[str, Any] = {"architecture": "conv", "image_size": 16, "dim": 12, "width": 8, "codebook_size": 4}
HISTORY: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
ST: dict[str, Any] = {
    "architecture": "st_maskgit",
    "dim": 16,
    "blocks": 1,
    "heads": 2,
    "dim_head": 8,
    "conditioning": "add",
}


@pytest.fixture
def tokenizer() -> ConvTokenizer:
    torch.manual_seed(0)
    return ConvTokenizer(
        ConvTokenizerConfig(image_size=16, codebook_size=32, codebook_dim=4, encoder_width=8, decoder_width=8)
    ).eval()


def make(tokenizer: ConvTokenizer, dynamics: dict[str, Any], **changes: Any) -> GenieRedux:
    torch.manual_seed(0)
    model = build_model("genie_redux", {"lam": LAM, "dynamics": dynamics, **changes}, tokenizer=tokenizer)
    assert isinstance(model, GenieRedux)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # residuals begin at zero, which hides gradients
    return model


def batch(tokenizer: ConvTokenizer) -> Batch:
    frames = torch.rand(3, 5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return Batch(frames, tokenizer.encode(frames))


@pytest.mark.parametrize("dynamics", [HISTORY, ST])
class TestBoth:
    def test_every_parameter_learns(self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]) -> None:
        model = make(tokenizer, dynamics).train()
        losses = model(batch(tokenizer), torch.Generator().manual_seed(0))
        losses.total.backward()
        silent = [name for name, p in model.named_parameters() if p.grad is None]
        assert not silent
        assert "cross_entropy" in losses.parts
        assert "lam_reconstruction" in losses.parts

    def test_the_dynamics_pulls_at_the_codes(self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]) -> None:
        """Even without the latent action model's own loss, what the dynamics wants reaches the encoder."""
        model = make(tokenizer, dynamics, lam_weight=1e-12).train()
        model(batch(tokenizer), torch.Generator().manual_seed(0)).total.backward()
        assert model.lam.to_action[0].weight.grad.abs().sum() > 1e-4

    def test_frozen(self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]) -> None:
        model = make(tokenizer, dynamics, lam_weight=0.0).train()
        assert not model.lam.training
        losses = model(batch(tokenizer), torch.Generator().manual_seed(0))
        losses.total.backward()
        assert all(p.grad is None for p in model.lam.parameters())
        assert all(p.grad is not None for p in model.dynamics.parameters())

    def test_a_world_of_codes(self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]) -> None:
        """The world dreams under codes; other codes dream otherwise; what `config` says builds the same model."""
        model = make(tokenizer, dynamics).eval()
        world = WorldModel(tokenizer, model, [f"LATENT_{k}" for k in range(4)])
        prompt = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(2))

        def entropy(codes: Tensor) -> Tensor:
            return world.rollout(prompt, codes, seed=0).entropy

        codes = torch.zeros(2, 4, dtype=torch.int64)
        assert torch.equal(entropy(codes), entropy(codes))
        assert all(not torch.equal(entropy(codes), entropy(codes + k)) for k in (1, 2, 3))
        again = build_model("genie_redux", asdict(model.config), tokenizer=tokenizer)
        again.load_state_dict(model.state_dict())

    def test_dream_equals_rollout(self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]) -> None:
        model = make(tokenizer, dynamics).eval()
        world = WorldModel(tokenizer, model, [f"LATENT_{k}" for k in range(4)])
        prompt = torch.rand(1, 2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        codes = torch.tensor([[0, 3, 1, 2]])
        whole = world.rollout(prompt, codes, seed=5).tokens[0]
        dream = world.dream(prompt, codes[:, :1], 5)
        assert torch.equal(whole, torch.cat([dream.step(code).tokens for code in codes[:, 1:].unbind(1)]))

    def test_it_keeps_the_contract_by_codes_and_by_buttons(
        self, tokenizer: ConvTokenizer, dynamics: dict[str, Any]
    ) -> None:
        model = make(tokenizer, dynamics).eval()
        prompts = torch.rand(2, 3, 3, 16, 16, generator=torch.Generator().manual_seed(3))
        world = WorldModel(tokenizer, model, [f"LATENT_{k}" for k in range(4)])
        assert world.takes == "codes"
        assert torch.equal(world.actions_of(prompts), model.lam.actions(prompts))  # type: ignore[arg-type]
        check_world(world, prompts)
        model.press([0, 3])
        pressed = WorldModel(tokenizer, model, ["A", "B"])
        assert pressed.takes == "buttons"
        check_world(pressed, prompts)


def test_a_negative_weight() -> None:
    with pytest.raises(UserError, match="lam_weight"):
        build_model(
            "genie_redux",
            {"lam": LAM, "dynamics": HISTORY, "lam_weight": -1},
            tokenizer=ConvTokenizer(ConvTokenizerConfig(image_size=16)),
        )


def test_buttons_press_codes(tokenizer: ConvTokenizer, tmp_path: Path) -> None:
    """A saved world takes true actions where its file maps them, and codes where it is asked to."""
    model = make(tokenizer, ST).eval()
    about = {
        "action_names": [f"LATENT_{k}" for k in range(4)],
        "action_mapping": ActionMapping(np.array([[0, 9], [0, 0], [9, 0], [0, 0]]), ("LEFT", "RIGHT")).to_json(),
    }
    path = save_model(
        tmp_path / "model-1.pt",
        model.kind,
        model.config,
        model.state_dict(),
        metadata=about,
        sections={"tokenizer": tokenizer_of(tokenizer).section},
    )
    buttons, codes = WorldModel.load(path), WorldModel.load(path, latent=True)
    assert buttons.action_names == ("LEFT", "RIGHT")
    assert codes.action_names == ("LATENT_0", "LATENT_1", "LATENT_2", "LATENT_3")
    prompt = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    pressed = torch.tensor([[0, 1, 1], [1, 0, 0]])
    stands_for = torch.tensor([2, 0])[pressed]
    assert torch.equal(buttons.rollout(prompt, pressed).entropy, codes.rollout(prompt, stands_for).entropy)
