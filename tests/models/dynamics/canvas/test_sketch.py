"""What follows without its paint: what was seen, what continues it, and the agent in front of both."""

import torch

from genieredux.models.dynamics.canvas.continuation import continued
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from models.dynamics.canvas.test_model import batch, make


def hiding() -> CanvasDynamics:
    model = make(actor=8, continued=4, whole_pixels=True).eval()
    torch.nn.init.normal_(model.actor.leave.bias, std=0.3)
    torch.nn.init.normal_(model.painter.network.leave.bias, std=0.5)  # the paint is seen nowhere
    return model


def test_what_was_seen_moves_and_what_is_new_continues_it():
    model, data = hiding(), batch(2)
    state, motion = model.begin(data.frames[:, 0]), torch.tensor([[0.0, -3.0], [2.0, 0.0]])
    canvas = state.canvas.clone()
    made = model.sketch(state, motion, data.actions[:, 0])
    canvas.move(motion)
    view, known = canvas.view()
    picture, trust = continued(view, known, 4)
    assert (known == 0).flatten(1).any(1).all()
    beside = (model.beside() > 0) & (trust > 0)
    assert torch.equal(made * beside, picture * beside)
    alone = torch.where(trust > 0, picture, data.frames[:, 0])  # nothing goes on there
    assert torch.equal(made * model.beside(), alone * model.beside())


def test_the_agent_is_in_front_and_never_laid_down():
    model, data = hiding(), batch(2)
    state = model.begin(data.frames[:, 0])
    motions, none = torch.zeros(2, 2, 2), torch.zeros(2, 4)
    action = model.vectors(data.actions[:, 0])
    agent = model.actor(data.frames[:, 0], data.frames[:, 0], motions, action, none).clamp(0, 1)
    made = model.sketch(state, motions[:, 1], data.actions[:, 0])
    front = model.front() > 0
    assert torch.equal(made * front, agent * front)
    assert not torch.equal(made * front, data.frames[:, 0] * front)
    assert torch.equal(state.canvas.view()[0], model.behind(data.frames[:, 0]))


def test_it_is_the_past_of_the_next_one_and_goes_back_to_what_was_there():
    model, data = hiding(), batch(2)
    state = model.begin(data.frames[:, 0])
    first = model.sketch(state, torch.full((2, 2), 2.0), data.actions[:, 0])
    assert state.last is first
    assert state.canvas.view()[1].all()  # what was new is laid, and known from now on
    beside = model.beside() > 0
    assert torch.equal(state.canvas.view()[0] * beside, first * beside)
    assert torch.equal(state.before, data.frames[:, 0])
    assert torch.equal(state.motion, torch.full((2, 2), 2.0))
    assert torch.equal(state.action, model.vectors(data.actions[:, 0]))
    back = model.sketch(state, torch.full((2, 2), -2.0), data.actions[:, 1])
    assert torch.equal(state.before, first)
    begun = model.behind(data.frames[:, 0])
    assert torch.equal(back * model.beside(), begun * model.beside())
    assert not first.requires_grad
