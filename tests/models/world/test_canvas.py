"""Worlds that carry over what was seen: the contract of any world, and what is theirs alone."""

import copy

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import save_model
from genieredux.models.dynamics.canvas.motion import to_codes
from genieredux.models.sampling import Sampling
from genieredux.models.world.contract import check_world
from genieredux.models.world.model import WorldModel
from genieredux.models.world.together import step_together
from models.dynamics.canvas.test_model import FIXED, STEPS, batch, make, walk

NAMES = ("STAY", "RIGHT", "UP", "DOWN_LEFT")


@pytest.fixture(scope="module", params=[False, True], ids=["between", "whole"])
def world(request) -> WorldModel:
    """Trained for a moment, on a canvas that is read between pixels and on one of whole ones."""
    model = make(painted=1.0, codebook_size=6, whole_pixels=request.param).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(80):
        losses = model(batch(seed=step), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    return WorldModel(None, model, NAMES)


@pytest.mark.parametrize("more", [{}, {"continued": 4}], ids=["painted", "continued"])
def test_with_an_actor_it_is_a_world(more):
    model = make(actor=8, actor_width=16, **more).eval()
    torch.nn.init.normal_(model.actor.leave.weight, std=0.3)
    check_world(WorldModel(None, model, NAMES), batch(3, 3, seed=5).frames)


def test_with_things_that_move_by_themselves_under_a_still_camera_it_is_a_world():
    model = make(**FIXED).eval()
    torch.nn.init.normal_(model.painter.network.leave.weight, std=0.3)
    world = WorldModel(None, model, NAMES)
    check_world(world, batch(3, 3, seed=5).frames)
    prompt = batch(1, 4)
    step = world.dream(prompt.frames, prompt.actions).step(torch.tensor([1]))
    assert step.tokens.max() == 0
    assert step.entropy.max() == 0


@pytest.mark.parametrize("choice", ["mode", "mean", "sample"])
def test_it_is_a_world(world, choice):
    world.sampling = Sampling(choice=choice)
    check_world(world, batch(3, 3, seed=5).frames)
    world.sampling = Sampling()


def test_tokens_are_the_motions_and_redraw_the_truth(world):
    """Encoded and drawn again, a walk over what was seen is what it was, to the sharpness of two resamplings."""
    actions = torch.tensor([[1, 1, 1, 3, 3, 0, 2]])
    frames = walk(actions, seed=0)
    tokens = world.encode(frames)
    assert tokens.shape == (1, 8, 1, 1)
    motions = world.dynamics.codes[tokens[0, 1:, 0, 0]]
    wanted = torch.tensor([[-float(STEPS[a][0]), -float(STEPS[a][1])] for a in actions[0].tolist()])
    torch.testing.assert_close(motions, wanted, atol=0.2, rtol=0)
    drawn = world.decode(tokens, actions, frames[:, 0])
    middle = (..., slice(10, 22), slice(10, 22))
    assert (drawn - frames)[middle].abs().mean() < 0.03
    for given in ({"actions": actions}, {"first": frames[:, 0]}, {}):
        with pytest.raises(UserError, match="give the first frame and the actions too"):
            world.decode(tokens, **given)


def test_true_frames_move_a_dream_as_their_tokens_say(world):
    """One after another, of which it is told, or all at once."""
    actions = torch.tensor([[1, 1, 3, 3, 0, 2, 1, 1, 1, 2, 3, 3]])
    frames = walk(actions, seed=3)
    tokens = world.encode(frames)[0, :, 0, 0]
    dream = world.dream(frames[:, :2], actions[:, :1])
    for t in range(2, frames.shape[1]):
        dream.watch(frames[:, t], actions[:, t - 1])
        motion = dream._future._state.motion[0]
        torch.testing.assert_close(motion, world.dynamics.codes[tokens[t]])
    assert tokens.unique().numel() > 3


def test_it_goes_where_the_actions_say_and_finds_its_way_back(world):
    """Away and back by opposite actions: the first picture, though part of it had left the window."""
    there, back = [1] * 4 + [2] * 4, [3] * 4
    actions = torch.tensor([[0, *there, *back]])
    made = world.rollout(walk(torch.tensor([[0]])), actions)
    place = world.dynamics.codes[made.tokens[0, :, 0, 0]].sum(0)
    wanted = -torch.tensor([float(sum(STEPS[a][i] for a in there + back)) for i in (0, 1)])
    torch.testing.assert_close(place, wanted, atol=1.5, rtol=0)


def test_a_still_scene_stays_as_it_is(world):
    """45 dB and more, for fifty frames."""
    frame = walk(torch.tensor([[0]]))[:, :1].repeat(1, 2, 1, 1, 1)
    made = world.rollout(frame, torch.zeros(1, 51, dtype=torch.int64))
    assert world.dynamics.codes[made.tokens.flatten()].abs().max() == 0
    error = (made.frames - frame[:, :1]).square().mean((2, 3, 4)).max()
    assert -10 * torch.log10(error) >= 45


def half_a_pixel(world):
    """The world with a prior that is between stillness and a pixel to the right, for ever."""
    model = copy.deepcopy(world.dynamics)
    model.codes[:2] = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    model.codes[2:] = 9.0 * torch.arange(1, len(model.codes) - 1)[:, None]
    logits = torch.tensor([0.0, 0.0, *[-20.0] * (len(model.codes) - 2)])
    prior = model.prior.forward
    model.prior.forward = lambda *args: (logits.expand(*args[1].shape[:2], -1), prior(*args)[1])
    return WorldModel(None, model, NAMES)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(choice="sample"), Sampling(choice="mean")])
def test_rounding_adds_up_in_no_dream(world, sampling):
    """Whatever is drawn, and though dreams are left, copied, begun anew and joined with others on the way."""
    world = half_a_pixel(world)
    prompt = batch(2, 3)
    dream = world.dream(prompt.frames, prompt.actions, [1, 2], sampling)
    owed = dream._future._owed.clone()
    place, action = torch.zeros(2, 2), torch.tensor([0, 0])
    for t in range(1, 12):
        if t == 5:
            dream = dream.copy()
        if t == 8:
            others = world.dream(prompt.frames, prompt.actions, [3, 4], sampling)
            others.step(action)
            drawn = step_together([dream, others], [action, action])[0].tokens
        else:
            drawn = dream.step(action).tokens
        place += world.dynamics.codes[drawn[:, 0, 0]]
        torch.testing.assert_close(dream._future._owed, owed + torch.tensor([0.0, t / 2]) - place)
        assert dream._future._owed.abs().max() <= 0.5 + 1e-5
    dream.restart(torch.tensor([False, True]), prompt.frames[:1], prompt.actions[:1], [5])
    torch.testing.assert_close(dream._future._owed[0], owed[0] + torch.tensor([0.0, 5.5]) - place[0])
    torch.testing.assert_close(dream._future._owed[1], owed[0])


def test_a_dream_goes_on_from_what_the_truth_owes(world):
    """A true motion that no code has exactly is made up for by the first that is dreamt."""
    actions = torch.tensor([[1, 1, 3]])
    frames = walk(actions, seed=3)
    codes = world.dynamics.codes
    _, owed = to_codes(world.dynamics.shifts(frames), codes, codes.new_zeros(1, 2))
    torch.testing.assert_close(world.dream(frames, actions)._future._owed, owed)
    dream = world.dream(frames[:, :3], actions[:, :2])
    dream.watch(frames[:, 3], actions[:, 2])
    torch.testing.assert_close(dream._future._owed, owed)


def test_a_dream_takes_no_more_memory_however_long_it_is(world):
    dream = world.dream(walk(torch.tensor([[0]])), torch.zeros(1, 1, dtype=torch.int64), 3)

    def held() -> int:
        future = dream._future
        tensors = [future._state.last, future._state.canvas.colours, future._state.canvas.known, future._memory]
        assert not future._shown
        return sum(tensor.numel() for tensor in tensors)

    dream.step(torch.tensor([1]))
    before = held()
    for _ in range(30):
        dream.step(torch.tensor([1]))
    assert held() == before


def test_temperature_says_how_far_a_sample_goes(world):
    prompt, actions = batch(1, 3).frames.expand(32, -1, -1, -1, -1), torch.ones(32, 6, dtype=torch.int64)
    counts = []
    for temperature in (0.0, 1.0, 30.0):
        how = Sampling(choice="sample", temperature=temperature)
        counts.append(len(world.rollout(prompt, actions, list(range(32)), how).tokens[:, 0].unique()))
    mode = world.rollout(prompt, actions, 0, Sampling()).tokens[:, 0]
    assert counts[0] == len(mode.unique()) == 1
    assert counts[1] <= counts[2]
    assert counts[2] > 3


def test_it_is_saved_and_loaded_without_a_tokenizer(tmp_path, world):
    model = world.dynamics
    path = save_model(
        tmp_path / "model-1.pt", model.kind, model.config, model.state_dict(), step=1, metadata={"action_names": NAMES}
    )
    again = WorldModel.load(path)
    prompt, actions = batch(1, 3).frames, torch.ones(1, 6, dtype=torch.int64)
    assert torch.equal(again.rollout(prompt, actions).frames, world.rollout(prompt, actions).frames)
    assert again.config["tokenizer"] is None
    assert again.image_size == 32
    with pytest.raises(UserError, match="one frame at a time"):
        again.rollout(prompt, actions, 0, Sampling(method="one_go"))


def test_tokens_and_actions_of_a_rollout_are_decoded_to_its_frames(world):
    actions = batch(2, 7, seed=4).actions
    first = batch(2, 3, seed=5).frames[:, :1]
    made = world.rollout(first, actions)
    tokens = torch.cat([world.encode(first), made.tokens], 1)
    torch.testing.assert_close(world.decode(tokens, actions, first[:, 0])[:, 1:], made.frames, atol=1e-5, rtol=0)


def test_a_dream_that_is_told_the_truth_judges_it_as_training_does(world):
    """Its logits along a walk are the prior's over the whole clip, memory and roundings owed included, also in a dream
    that began anew among others. No code is a step of this walk, so that every motion leaves a rest."""
    model = copy.deepcopy(world.dynamics)
    right, up, aslant = (-torch.tensor(step, dtype=torch.float32) for step in STEPS[1:])
    codes = [0 * up, 0.7 * right, 1.4 * right, 0.7 * up, 0.7 * aslant, 1.4 * aslant]
    model.codes.copy_(torch.stack(codes))
    world = WorldModel(None, model, NAMES)
    clips, given = batch(2, 9, seed=1), 4
    frames, actions = clips.frames, clips.actions
    chosen = world.encode(frames)[:, 1:, 0, 0]
    shifts = model.shifts(frames)
    alone = [to_codes(shifts[:, [t]], model.codes, torch.zeros(2, 2))[0] for t in range(8)]
    assert (chosen != torch.cat(alone, 1))[:, 4:7].any()
    motions = model.codes[chosen]
    past = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    with torch.no_grad():
        wanted, _ = model.prior(past, torch.cat([torch.zeros(2, 1, 2), motions[:, :-1]], 1), actions)
    prompts, led = frames[:, :given], actions[:, : given - 1]
    dream = world.dream(prompts[[0, 0]], led[[0, 0]], [0, 0])
    dream.restart(torch.tensor([False, True]), prompts[1:], led[1:], [0])
    for t in range(given - 1, 8):
        logits = dream.follow(frames[:, t + 1], actions[:, t]).logits
        torch.testing.assert_close(logits.view(2, -1), wanted[:, t], atol=1e-4, rtol=1e-4)


def test_what_it_was_not_shown_is_where_the_picture_went(world):
    """Told a walk, it counts what scrolls in as unseen; on the way back only what lies below, where it never was."""
    actions = torch.tensor([[1, 1, 1, 3, 3, 0]])  # right; down and left; stays
    frames = walk(actions, seed=0)
    dream = world.dream(frames[:, :1], actions[:, :0], [0])
    size = world.image_size
    for number, action in enumerate(actions[0].tolist()):
        unseen = dream.watch(frames[:, number + 1], actions[:, number]).unseen[0]
        wanted = (0, 2 * size, None, 2 * size)[action]
        assert float(unseen.sum()) == pytest.approx(wanted, abs=0.9 * size), number
        if action == 1:
            assert unseen[:, -1].all()
            assert not unseen[:, : size // 2].any()
        if action == 3:
            assert unseen[-1].all()
            assert not unseen[: size // 2].any()
