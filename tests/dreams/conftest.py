"""A world to dream in and prompts to begin at."""

import numpy as np
import pytest

from genieredux.dreams.session import Prompt
from genieredux.models.world.fake import FakeWorld


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def prompts(world: FakeWorld) -> list[Prompt]:
    return [Prompt(world.play(np.array([0]), seed), np.array([0])) for seed in range(3)]
