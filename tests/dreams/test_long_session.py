"""A session of 10,000 frames holds what one of 3,000 holds."""

import gc
import tracemalloc

import pytest

from genieredux.dreams.session import COPIES, HISTORY, DreamSession
from genieredux.models.world.fake import FakeWorld
from playing import prompts_for


@pytest.mark.slow
def test_a_long_session_grows_no_further():
    world = FakeWorld(image_size=16, noise=0.1)
    session = DreamSession(world, prompts_for(world))
    session.start(0)
    held, deep = [], []
    tracemalloc.start()
    for number in range(1, 10_001):
        session.step(number // 7 % len(world.action_names))
        if number % 1000 == 0:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
            deep.append(len(session._copies))
    tracemalloc.stop()
    assert len(session.pictures) == HISTORY + 1
    assert max(deep) <= COPIES
    # What is traced grows by the actions alone: a number each, which a link to the play needs.
    assert held[-1] - held[2] < 7_000 * 16
    assert session.back_to(9_500).number == 9_500
