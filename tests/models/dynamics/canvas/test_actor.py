"""The actor: where it is found, what it learns, what it goes on from; and that the world's frames show it."""

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.dynamics.canvas.actor import Actor
from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.dynamics.canvas.painter import Painter
from genieredux.models.types import Batch
from models.dynamics.canvas.test_model import batch, make
from models.dynamics.canvas.test_painter import CONFIG as PAINTER
from models.dynamics.canvas.test_painter import ask
from models.dynamics.canvas.test_registration import scene

CONFIG = CanvasConfig(image_size=32, margin=8, actor=8, actor_width=64)
ROWS, COLUMNS = slice(13, 17), slice(19, 22)
POSES = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])


def walk(moves: bool = True, clips: int = 8, frames: int = 8, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """A sprite that stays in place over a picture that moves by 2 pixels at every step, and has the colour of the last
    action other than 0: frames (B, T, 3, 32, 32), motions, actions int64."""
    generator = torch.Generator().manual_seed(seed)
    actions = torch.randint(3, (clips, frames - 1), generator=generator)
    picture = scene(seed, 160)
    made, motions = [], []
    for row in actions.tolist():
        column, pose, clip = 60, 0, []
        for action in (0, *row):
            pose = action or pose
            frame = picture[:, 60:92, column : column + 32].clone()
            frame[:, ROWS, COLUMNS] = POSES[pose][:, None, None]
            clip.append(frame)
            column += 2 * moves
        made.append(torch.stack(clip))
        motions.append(torch.tensor([[0.0, -2.0 * moves]]).repeat(len(row), 1))
    return torch.stack(made), torch.stack(motions), actions


def vectors(actions: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(actions, 3).float()


def held(actor: Actor) -> tuple[slice, slice]:
    row, column = actor.corner.tolist()
    return slice(row, row + actor.side), slice(column, column + actor.side)


def test_it_is_placed_where_pixels_stay_while_the_picture_moves():
    frames, motions, _ = walk()
    actor = Actor(CONFIG, 3)
    actor.place([(frames[:4], motions[:4]), (frames[4:], motions[4:])])
    rows, columns = held(actor)
    assert rows.start <= ROWS.start
    assert ROWS.stop <= rows.stop
    assert columns.start <= COLUMNS.start
    assert COLUMNS.stop <= columns.stop
    own = torch.zeros(32, 32)
    own[rows, columns] = actor.own[0, 0]
    assert own[ROWS, COLUMNS].all()
    around = own.clone()
    around[12:18, 18:23] = 0  # its own pixels and those next to them
    assert not around.any()


def test_where_the_picture_never_moves_it_is_placed_where_most_changes():
    frames, motions, _ = walk(moves=False)
    actor = Actor(CONFIG, 3)
    actor.place([(frames, motions)])
    rows, columns = held(actor)
    assert rows.start <= ROWS.start
    assert ROWS.stop <= rows.stop
    assert columns.start <= COLUMNS.start
    assert COLUMNS.stop <= columns.stop


def test_it_learns_what_an_action_makes_of_it():
    torch.manual_seed(0)
    actor = Actor(CONFIG, 3)
    actor.place([walk()[:2]])
    optimizer = torch.optim.Adam(actor.parameters(), 3e-3)
    for step in range(500):
        frames, motions, actions = walk(seed=step % 5, clips=16)
        loss = actor.loss(frames, motions, vectors(actions))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    frames, motions, _ = walk(seed=1, clips=4)
    none = torch.zeros(4, 3)
    for action in (1, 2):
        made = actor(frames[:, 1], frames[:, 0], motions[:, :2], vectors(torch.full((4,), action)), none)
        shown = made[:, :, ROWS, COLUMNS].mean((2, 3))
        torch.testing.assert_close(shown, POSES[action].expand(4, 3), atol=0.2, rtol=0)
    outside = torch.ones(32, 32)
    outside[held(actor)] = 0
    assert torch.equal(made * outside, frames[:, 1] * outside)


def test_in_its_own_pixels_it_goes_on_from_what_it_made():
    """A network that adds a tenth: in its own pixels of a still clip the error is .1, .2, .3, elsewhere always .1."""
    actor = Actor(CONFIG, 3)
    torch.nn.init.constant_(actor.leave.bias, 0.1)
    torch.nn.init.zeros_(actor.own)
    actor.own[..., :2, :4] = 1  # an eighth of the square
    frames = torch.full((2, 5, 3, 32, 32), 0.2)
    loss = actor.loss(frames, torch.zeros(2, 4, 2), torch.zeros(2, 4, 3))
    torch.testing.assert_close(loss.detach(), torch.tensor(0.2 / 8 + 0.1 * 7 / 8 + 3 * 0.2))


def test_both_actions_motions_and_frames_reach_it_and_each_clip_alone():
    torch.manual_seed(0)
    actor = Actor(CONFIG, 3)
    torch.nn.init.normal_(actor.leave.weight, std=0.3)
    frames, motions, actions = walk(clips=2)
    asked = [frames[:, 1], frames[:, 0], motions[:, :2], vectors(actions[:, 1]), vectors(actions[:, 0])]
    usual = actor(*asked)
    for number, value in enumerate(asked):
        changed = value.clone()
        changed[1] = changed[1].flip(-1) + 0.1
        other = actor(*asked[:number], changed, *asked[number + 1 :])
        assert torch.equal(other[0], usual[0])
        assert (other - usual)[1][(..., *held(actor))].abs().mean() > 1e-3


def test_the_painter_mixes_it_in_as_the_last_frame():
    painter, known = Painter(PAINTER, 3).eval(), torch.ones(2, 1, 16, 16)
    usual, asked = ask(painter, known)
    in_place = asked["last"] + 0.25
    other, _ = ask(painter, known, in_place=in_place)
    torch.testing.assert_close(other.frames - usual.frames, 0.25 * usual.mix[:, 1:2].expand(-1, 3, -1, -1))


def test_a_world_learns_it_beside_the_rest_and_remembers_the_last_action():
    model = make(actor=8, actor_width=16).train()
    data = batch()
    losses = model(data, torch.Generator().manual_seed(0))
    losses.total.backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    parts = losses.parts
    whole = parts["motion"] + model.config.paint_weight * parts["paint"] + parts["actor"]
    torch.testing.assert_close(losses.total.detach(), whole)
    state = model.begin(data.frames[:, 0])
    assert not state.action.any()
    model.show(state, data.frames[:, 1], torch.zeros(4, 2), data.actions[:, 0])
    assert torch.equal(state.action.argmax(1), data.actions[:, 0])
    model.draw(state, torch.zeros(4, 2), data.actions[:, 1])
    assert torch.equal(state.action.argmax(1), data.actions[:, 1])
    other = model.begin(data.frames[:, 0])
    one = model.begin(data.frames[:1, 1])
    model.draw(one, torch.zeros(1, 2), data.actions[:1, 2])
    other.put(torch.tensor([2]), one.clone())
    assert torch.equal(other.action[2].argmax(), data.actions[0, 2])
    assert not other.action[[0, 1, 3]].any()


def test_what_is_drawn_shows_it():
    """Frames of a world with a disturbed actor differ in its square alone, and the painter's loss does not train it."""
    model = make(actor=8, actor_width=16, painted=1.0).train()
    data = batch()
    loss = model._paint(data.frames, data.actions, torch.zeros(4, 8, 2), 4)[0]
    loss.backward()
    assert all(parameter.grad is None for parameter in model.actor.parameters())
    model.eval()
    drawn = []
    for bias in (0.0, 0.3):
        torch.nn.init.constant_(model.actor.leave.bias, bias)
        drawn.append(model.draw(model.begin(data.frames[:, 0]), torch.zeros(4, 2), data.actions[:, 0]))
    inside = torch.zeros(32, 32)
    inside[held(model.actor)] = 1
    difference = (drawn[1] - drawn[0]).abs()
    assert (difference * inside).mean() > 1e-4
    assert not (difference * (1 - inside)).any()


def hiding(**more):
    """A world with an actor in the middle, whose own pixels are 4 x 4, in front of stripes that go on."""
    model = make(actor=8, actor_width=16, continued=6, **more).eval()
    model.actor.corner.copy_(torch.tensor([12, 12]))
    model.actor.own.zero_()
    model.actor.own[..., 2:6, 2:6] = 1
    stripes = torch.rand(1, 3, 4, 1, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 8, 32)
    frames = stripes.clone()
    frames[..., 14:18, 14:18] = 1
    return model, stripes, frames


def test_an_actor_is_in_front_of_the_canvas_and_never_on_it():
    """From the first frame on, and in true frames that follow: what is behind it is what is around it."""
    model, stripes, frames = hiding()
    state = model.begin(frames)
    torch.testing.assert_close(state.canvas.view()[0], stripes)
    assert torch.equal(state.last, frames)
    down = torch.tensor([[4.0, 0.0]])
    known = model.show(state, frames, down, torch.tensor([0]))
    assert not known[..., :4, :].any()
    torch.testing.assert_close(state.canvas.view()[0], stripes)
    assert torch.equal(state.last, frames)
    beside = model.beside()
    assert beside.sum() == 32 * 32 - 16
    assert not beside[..., 14:18, 14:18].any()


def test_a_drawn_actor_stays_off_the_canvas_too():
    model, stripes, frames = hiding()
    bias = torch.tensor([-100.0, -100, 100, 0, 0, 0]).repeat_interleave(4)  # all is painted
    with torch.no_grad():
        model.painter.network.leave.bias.copy_(bias)
    model.painter.network.leave.bias.data[12:] += 0.3
    state = model.begin(frames)
    drawn = model.draw(state, torch.zeros(1, 2), torch.tensor([0]))
    assert (drawn - stripes)[..., 14:18, 14:18].abs().mean() > 0.1
    view = state.canvas.view()[0]
    torch.testing.assert_close(view[..., 14:18, 14:18], stripes[..., 14:18, 14:18])
    assert (view - stripes)[..., :8].abs().mean() > 0.1


def test_the_truth_that_ends_a_chain_leaves_no_actor_on_the_canvas_either():
    model, stripes, frames = hiding()
    state = model.begin(frames)
    clip = frames[:, None].repeat(1, 4, 1, 1, 1)
    model._chained(state, clip, torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4, 2), 2)
    assert torch.equal(state.last, frames)  # the chain ended with the clip
    torch.testing.assert_close(state.canvas.view()[0], stripes)


def test_an_actor_that_the_canvas_has_never_seen_is_drawn_all_the_same():
    """Untrained, the painter takes the canvas nearly everywhere, and the actor in its own pixels."""
    model, stripes, frames = hiding()
    drawn = model.draw(model.begin(frames), torch.zeros(1, 2), torch.tensor([0]))
    assert (drawn - frames).abs().max() < 0.05
    assert (drawn - stripes)[..., 14:18, 14:18].abs().mean() > 0.2


def test_another_scene_is_laid_on_the_canvas_whole():
    """After a cut what is behind the actor is of the new scene; in the other clip it is what was seen there before."""
    model, stripes, frames = hiding()
    state = model.begin(frames.repeat(2, 1, 1, 1))
    margin = state.canvas.margin
    state.canvas.colours[1, :, margin + 14 : margin + 18, margin + 14 : margin + 18] = 0.5
    other = 1 - stripes
    shown = torch.cat([other, frames])
    shown[0, :, 14:18, 14:18] = 0.5
    model.show(state, shown, torch.zeros(2, 2), torch.tensor([0, 0]))
    view = state.canvas.view()[0]
    written = (other - stripes).abs().amax(1, keepdim=True) > 0.1
    torch.testing.assert_close(view[:1], torch.where(written, other, stripes))
    seen = stripes.clone()
    seen[..., 14:18, 14:18] = 0.5
    torch.testing.assert_close(view[1:], seen)


@pytest.mark.parametrize("more", [{"continued": 0}, {"actor": 0}, {"reach": 0}])
def test_nothing_is_hidden_where_there_is_no_actor_or_nothing_continues(more):
    model = make(**{"actor": 8, "actor_width": 16, "continued": 6} | more)
    frames = batch(2).frames
    assert not model.hides
    assert bool((model.beside() == 1).all())
    assert torch.equal(model.begin(frames[:, 0]).canvas.view()[0], frames[:, 0])


def test_vectors_steer_it_too():
    config = CanvasConfig(image_size=32, margin=8, codebook_size=8, width=8, motion_width=16, actor=8, action_width=5)
    torch.manual_seed(0)
    model = CanvasDynamics(config, 3)
    data = batch()
    model.look_first([data])
    actions = torch.rand(4, 8, 5)
    losses = model(Batch(frames=data.frames, actions=actions), torch.Generator().manual_seed(0))
    assert losses.parts["actor"] > 0
    state = model.begin(data.frames[:, 0])
    model.draw(state, torch.zeros(4, 2), actions[:, 0])
    assert torch.equal(state.action, actions[:, 0])


def test_a_square_larger_than_the_image_is_one_line():
    with pytest.raises(UserError, match=r"dynamics\.actor=65 is larger than the image, of 64 pixels"):
        CanvasConfig(actor=65)
