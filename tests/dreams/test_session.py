import numpy as np
import pytest

from genieredux.dreams.session import DreamSession, Prompt, check_prompts
from genieredux.errors import UserError
from genieredux.models.world.fake import FakeWorld


def test_it_dreams_what_the_world_plays(world, prompts):
    session = DreamSession(world, prompts)
    assert (session.start(4).frame == prompts[1].frames[-1]).all()  # counted around the end
    assert session.prompt == 1
    played = world.play(np.array([0, 3, 3]), seed=1)
    assert (session.step(3).frame == played[2]).all()
    assert (session.step(3).frame == played[3]).all()
    assert session.start(session.prompt).number == 0


def test_every_restart_is_another_dream_in_a_fixed_order(prompts):
    def dreams():
        session = DreamSession(FakeWorld(noise=0.5), prompts)
        return [(session.start(0), session.step(0).frame)[1] for _ in range(2)]

    first, second = dreams()
    assert (first != second).any()
    assert (np.stack(dreams()) == np.stack([first, second])).all()


def test_stepping_needs_a_start(world, prompts):
    with pytest.raises(RuntimeError, match="start"):
        DreamSession(world, prompts).step(0)


def test_prompts_that_do_not_fit_are_named(world, prompts):
    frames, actions = prompts[0]
    for message, bad in {
        "no frame": [],
        "Prompt 1 is uint8": [prompts[0], Prompt(frames[:, :32], actions)],
        "Prompt 0 is float64": [Prompt(frames / 255, actions)],
        "needs 1 actions": [Prompt(frames, actions[:0])],
        "actions from 0 to 4": [Prompt(frames, np.array([5]))],
    }.items():
        with pytest.raises(UserError, match=message):
            check_prompts(world, bad)
