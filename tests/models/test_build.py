"""Kinds and configurations become models; what is misspelt is named."""

import pytest
import torch

from factories import ACTIONS, make_tokenizer
from genieredux.errors import UserError
from genieredux.models.build import KINDS, MODELS, build_model, check_settings
from genieredux.models.checkpoint import plain
from genieredux.models.dynamics.history_refiner import HistoryRefiner
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.tokenizers.conv import ConvTokenizer
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig


def test_the_architecture_chooses_the_tokenizer() -> None:
    small = {"image_size": 16, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
    assert isinstance(build_model("tokenizer", small), STViViT)
    assert isinstance(build_model("tokenizer", {"architecture": "conv", "image_size": 16}), ConvTokenizer)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("tokeniser", {}, "no model of kind 'tokeniser'"),
        ("tokenizer", {"architecture": "vae"}, "architecture is 'vae'; did you mean conv"),
        (
            "tokenizer",
            {"architecture": "conv", "patchsize": 4},
            "no key 'tokenizer.patchsize'; did you mean 'tokenizer.patch_size'",
        ),
    ],
)
def test_what_is_wrong_is_named(kind: str, config: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_model(kind, config)


def test_the_architecture_chooses_the_dynamics() -> None:
    """None named: the one that every checkpoint without the key was made with."""
    tokenizer = make_tokenizer()
    parts = {"tokenizer": tokenizer, "action_names": ACTIONS}
    assert isinstance(build_model("genie_redux_guided", {"dim": 16}, **parts), HistoryRefiner)
    assert isinstance(
        build_model("genie_redux_guided", {"architecture": "history_refiner", "dim": 16}, **parts), HistoryRefiner
    )
    small = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
    model = build_model("genie_redux_guided", small, **parts)
    assert isinstance(model, MaskGIT)
    assert model.grid == tokenizer.grid
    with pytest.raises(UserError, match=r"dynamics.architecture is 'st'; did you mean st_maskgit"):
        build_model("genie_redux_guided", {"architecture": "st"}, **parts)
    with pytest.raises(UserError, match=r"no key 'dynamics.block'; did you mean 'dynamics.blocks'"):
        build_model("genie_redux_guided", {"architecture": "st_maskgit", "block": 1}, **parts)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("tokenizer", {"dimm": 3}, r"no key 'tokenizer.dimm'; did you mean 'tokenizer.dim'"),
        ("tokenizer", {"architecture": "conv", "dim": 3}, r"no key 'tokenizer.dim'"),
        ("tokenizer", {"codebook_size": 2.5}, "tokenizer.codebook_size is 2.5; it must be a whole number"),
        ("tokenizer", {"codebook_size": 10**9}, "tokenizer.codebook_size is 1000000000; it must be from 2"),
        ("tokenizer", {"fsq_levels": [8, 1]}, "tokenizer.fsq_levels is 1; it must be from 2"),
        ("genie_redux_guided", {"dim": "abc"}, "dynamics.dim is 'abc'; it must be a whole number"),
        ("genie_redux_guided", {"heads": 2**63 - 1}, r"dynamics.heads is \d+; it must be from 1 to"),
        ("genie_redux_guided", {"objective": "inplace"}, "dynamics.objective is 'inplace'; did you mean in_place"),
        ("genie_redux", {"lam": {"codebook": "x"}, "dynamics": {}}, "lam.codebook is 'x'; did you mean nearest"),
        ("genie_redux", {"lam": {}, "dynamics": {"blocks": 0}}, "dynamics.blocks is 0; it must be from 1"),
        ("genie_redux", {"lam": 3}, "lam is 3; it holds settings"),
        ("genie_redux", {"lam_weight": -1}, "^lam_weight is -1.0; it must be from 0"),
        ("latent_action_model", {"architecture": "vae"}, "lam.architecture is 'vae'; did you mean"),
        ("world", {}, "model is 'world'; did you mean"),
    ],
)
def test_settings_are_checked_before_a_model_is_built(kind: str, given: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_settings(kind, given)


def test_a_part_of_the_settings_may_be_checked_that_a_checkpoint_completes() -> None:
    check_settings("tokenizer", {"patch_size": 5})  # of which image, the checkpoint says
    check_settings("genie_redux_guided", {"blocks": 2})
    check_settings("genie_redux_guided", {"history_blocks": 2})
    with pytest.raises(UserError, match=r"dynamics.blocks"):
        check_settings("genie_redux_guided", {"blocks": 2, "history_blocks": 2})


def test_the_defaults_keep_their_own_bounds() -> None:
    for kind in KINDS:
        check_settings(kind, {})
    for part, models in MODELS.items():
        for name, model in models.items():
            assert model.settings().architecture == name
            assert model.settings.where == part


def test_a_model_that_no_memory_holds_is_refused_before_anything_is_allocated() -> None:
    large = {"architecture": "st_vivit", "dim": 1 << 14, "blocks": 256, "heads": 256, "dim_head": 1 << 10}
    with pytest.raises(UserError, match=r"weights, which take .* GiB, .* free; make it smaller \(dim=16384, .*\)"):
        build_model("tokenizer", large)


@pytest.mark.parametrize("quantizer", ["ema", "gradient", "fsq"])
def test_looking_at_the_size_changes_no_first_weight(quantizer: str) -> None:
    config = STViViTConfig(dim=16, blocks=1, heads=2, dim_head=8, image_size=16, quantizer=quantizer)
    torch.manual_seed(0)
    built = build_model("tokenizer", plain(config))
    torch.manual_seed(0)
    for one, other in zip(built.state_dict().values(), STViViT(config).state_dict().values(), strict=True):
        assert torch.equal(one, other)
