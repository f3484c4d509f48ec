"""Kinds and configurations become models; what is misspelt is named."""

import pytest

from factories import ACTIONS, make_tokenizer
from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.models.conv_tokenizer import ConvTokenizer
from genieredux.models.dynamics import Dynamics
from genieredux.models.st_dynamics import STDynamics
from genieredux.models.st_tokenizer import STTokenizer


def test_the_architecture_chooses_the_tokenizer() -> None:
    small = {"image_size": 16, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
    assert isinstance(build_model("tokenizer", small), STTokenizer)
    assert isinstance(build_model("tokenizer", {"architecture": "conv", "image_size": 16}), ConvTokenizer)


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("tokeniser", {}, "no model of kind 'tokeniser'"),
        ("tokenizer", {"architecture": "vae"}, "architecture is 'vae'; choose one of conv, st_vivit"),
        (
            "tokenizer",
            {"architecture": "conv", "patchsize": 4},
            "patchsize is no setting; did you mean tokenizer.patch_size",
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
    assert isinstance(build_model("genie_redux_guided", {"dim": 16}, **parts), Dynamics)
    assert isinstance(
        build_model("genie_redux_guided", {"architecture": "history_refiner", "dim": 16}, **parts), Dynamics
    )
    small = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
    model = build_model("genie_redux_guided", small, **parts)
    assert isinstance(model, STDynamics)
    assert model.grid == tokenizer.grid
    with pytest.raises(UserError, match=r"dynamics.architecture is 'st'; choose one of history_refiner, st_maskgit"):
        build_model("genie_redux_guided", {"architecture": "st"}, **parts)
    with pytest.raises(UserError, match=r"dynamics.block is no setting; did you mean dynamics.blocks"):
        build_model("genie_redux_guided", {"architecture": "st_maskgit", "block": 1}, **parts)
