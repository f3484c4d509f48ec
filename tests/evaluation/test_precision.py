"""What is measured is what is played: a world computes in float32 in both, unless somebody asks for less."""

import pytest
import torch

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.evaluation.opening import choose_precision
from genieredux.models.world.model import WorldModel


def test_nobody_asked_for_less() -> None:
    tokenizer = make_tokenizer()
    world = WorldModel(tokenizer, make_dynamics(tokenizer), ACTIONS)
    assert world.precision == choose_precision("auto") == "32"
    with world.computing():
        assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("asked", ["32", "bf16"])
def test_what_is_asked_for_is_taken(asked: str) -> None:
    assert choose_precision(asked) == asked
