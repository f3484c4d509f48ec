"""Clips of a world whose rules are known."""

from collections.abc import Callable

import numpy as np
import pytest

from genieredux.evaluation import Clips
from genieredux.models.fake_world import FakeWorld

MakeClips = Callable[..., Clips]


@pytest.fixture
def make_clips() -> MakeClips:
    """make_clips(episodes=4, per_episode=2, length=12, seed=0, texture=0.1, held=False) -> Clips."""

    def make(
        episodes: int = 4,
        per_episode: int = 2,
        length: int = 12,
        seed: int = 0,
        texture: float = 0.1,
        held: bool = False,
    ) -> Clips:
        world = FakeWorld()
        rng = np.random.default_rng(seed)
        frames, actions = [], []
        for clip in range(episodes * per_episode):
            count = 1 if held else length - 1
            taken = np.resize(rng.integers(0, len(world.action_names), count), length - 1)
            frames.append(world.play(taken, seed=1000 * seed + clip, texture=texture))
            actions.append(taken)
        return Clips(np.stack(frames), np.stack(actions), np.repeat(np.arange(episodes), per_episode))

    return make
