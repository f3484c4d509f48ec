"""Worlds to walk in, and prompts to begin at."""

import pytest

from genieredux.envs import EnvConfig
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene
from playing import prompts_for


@pytest.fixture
def world():
    return FakeWorld()


@pytest.fixture
def prompts(world):
    return prompts_for(world)


@pytest.fixture
def scene(world, prompts):
    return Scene("Tiles", world, prompts)


@pytest.fixture
def beside():
    """A scene with a real game beside it: one platformer that the package ships."""
    names = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    world = FakeWorld(names, noise=0.1)
    game = EnvConfig(kind="fake", game="Fake", image_size=64, action_names=names)
    return Scene("Platforms", world, prompts_for(world), game=game, to_game=(0, 1, 2, 3, 4))
