import numpy as np
import pytest

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.dreams import session as sessions
from genieredux.dreams.session import DreamSession, Prompt, check_prompts
from genieredux.errors import UserError
from genieredux.models.sampling import Sampling
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.model import WorldModel


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


def play(session, actions):
    return [session.step(action) for action in actions]


def same(one, other):
    assert (one.number, one.action, one.checksum) == (other.number, other.action, other.checksum)
    assert (one.frame == other.frame).all()
    assert (one.entropy == other.entropy).all()


@pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 40, 49, 50])
def test_going_back_and_on_gives_the_same_pictures_to_the_bit(number):
    world = WorldModel(make_tokenizer(), make_dynamics(make_tokenizer()), ACTIONS, Sampling(steps=3))
    size, actions = world.image_size, np.random.default_rng(3).integers(0, len(ACTIONS), 50).tolist()
    frames = np.random.default_rng(4).integers(0, 256, (2, size, size, 3), np.uint8)
    session = DreamSession(world, [Prompt(frames, np.array([1]))])
    begun = session.start(0, seed=11)
    shown = [begun, *play(session, actions)]
    same(session.back_to(number), shown[number])
    assert session.actions == actions[:number]
    other = session.step((actions[number % 50] + 1) % len(ACTIONS))
    assert other.number == number + 1
    session.back_to(number)
    for one, expected in zip(play(session, actions[number:]), shown[number + 1 :], strict=True):
        same(one, expected)
    session.start(0, seed=11)
    for one, expected in zip(play(session, actions), shown[1:], strict=True):  # and as playing it all again
        same(one, expected)


def test_what_is_kept_is_bounded_and_never_far_from_where_one_goes_back_to(monkeypatch):
    monkeypatch.setattr(sessions, "HISTORY", 300)
    steps = []
    world = FakeWorld(noise=0.2)
    session = DreamSession(world, [Prompt(world.play(np.array([0]), 0), np.array([0]))])
    session._pictures = sessions.deque(maxlen=301)
    session.start(0)
    play(session, [k % 5 for k in range(2000)])
    assert len(session.pictures) == 301
    assert len(session._copies) <= sessions.COPIES
    assert session.pictures[0].number == 1700
    for back in (1, 20, 100, 299, 300):
        number = 2000 - back
        nearest = max(at for at, _ in session._copies if at <= number)
        steps.append((number - nearest) / max(back, sessions.COPY_EVERY))
    assert max(steps) <= 1
    with pytest.raises(UserError, match="frame 1699 is not kept; one can go back to frames 1700 to 2000"):
        session.back_to(1699)
    with pytest.raises(UserError, match="frame 2001 is not kept"):
        session.back_to(2001)
    assert session.back_to(1700).number == 1700


def test_the_checksum_tells_dreams_apart(world, prompts):
    session = DreamSession(FakeWorld(noise=0.5), prompts)
    ends = []
    for seed in (1, 1, 2):
        session.start(0, seed)
        ends.append(play(session, [0, 1])[-1].checksum)
    assert ends[0] == ends[1] != ends[2]
