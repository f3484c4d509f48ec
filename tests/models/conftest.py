"""Small models as fixtures."""

import pytest

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.models.dynamics.history_refiner import HistoryRefiner
from genieredux.models.tokenizers.conv import ConvTokenizer
from genieredux.models.world.model import WorldModel


@pytest.fixture
def tokenizer() -> ConvTokenizer:
    return make_tokenizer()


@pytest.fixture
def dynamics(tokenizer: ConvTokenizer) -> HistoryRefiner:
    return make_dynamics(tokenizer)


@pytest.fixture
def world(tokenizer: ConvTokenizer, dynamics: HistoryRefiner) -> WorldModel:
    return WorldModel(tokenizer, dynamics, ACTIONS)
