"""Small models as fixtures."""

import pytest

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.models.conv_tokenizer import ConvTokenizer
from genieredux.models.dynamics import Dynamics
from genieredux.models.world_model import WorldModel


@pytest.fixture
def tokenizer() -> ConvTokenizer:
    return make_tokenizer()


@pytest.fixture
def dynamics(tokenizer: ConvTokenizer) -> Dynamics:
    return make_dynamics(tokenizer)


@pytest.fixture
def world(tokenizer: ConvTokenizer, dynamics: Dynamics) -> WorldModel:
    return WorldModel(tokenizer, dynamics, ACTIONS)
