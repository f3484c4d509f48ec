"""Steps that several threads ask for at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from genieredux.dreams.together import Together
from genieredux.frames import to_float
from genieredux.models.world.fake import FakeWorld
from playing import PATIENCE, prompts_for


class Gate(FakeWorld):
    """A world whose first step waits until it is let go; `at_work` says that it has begun."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.at_work, self.go = threading.Event(), threading.Event()

    def advance(self, tokens, action, obeys=None):
        if obeys is None:
            self.at_work.set()
            assert self.go.wait(PATIENCE)
        return super().advance(tokens, action, obeys)


def dreams_of(world, count):
    prompt = prompts_for(world)[0]
    return [world.dream(to_float(prompt.frames)[None], torch.tensor([[0]]), seed) for seed in range(count)]


def asked(together, pool, dreams, actions):
    """The steps of dreams, the first under way before the others are asked for."""
    world = dreams[0]._world
    steps = [pool.submit(together.step, dreams[0], actions[0])]
    assert world.at_work.wait(PATIENCE)
    steps += [pool.submit(together.step, *one) for one in zip(dreams[1:], actions[1:], strict=True)]
    while len(together._waiting) < len(dreams) - 1:
        assert not world.go.wait(0.005)
    world.go.set()
    return steps


def test_who_comes_while_others_are_computed_is_in_the_next_pass():
    world, actions = Gate(noise=0.2), [0, 1, 2, 3]
    together = Together()
    with ThreadPoolExecutor(4) as pool:
        steps = [one.result(PATIENCE) for one in asked(together, pool, dreams_of(world, 4), actions)]
    assert together.passes == {1: 1, 3: 1}
    for dream, action, step in zip(dreams_of(world, 4), actions, steps, strict=True):
        expected = dream.step(torch.tensor([action]))
        assert torch.equal(step.tokens, expected.tokens)
        assert torch.equal(step.frames, expected.frames)


def test_what_one_raises_is_its_own():
    world = Gate()
    with ThreadPoolExecutor(3) as pool:
        fine, wrong, well = asked(Together(), pool, dreams_of(world, 3), [0, 99, 2])
        with pytest.raises(ValueError, match="action 99"):
            wrong.result(PATIENCE)
        assert fine.result(PATIENCE).tokens.shape == well.result(PATIENCE).tokens.shape


def test_a_dream_that_cannot_be_joined_is_not_kept_waiting():
    class Alone:
        def step(self, actions):
            return actions

    together = Together()
    with ThreadPoolExecutor(2) as pool:
        world = Gate()
        busy = pool.submit(together.step, dreams_of(world, 1)[0], 0)
        assert world.at_work.wait(PATIENCE)
        assert together.step(Alone(), 3).tolist() == [3]  # while another is computed
        world.go.set()
        busy.result(PATIENCE)
