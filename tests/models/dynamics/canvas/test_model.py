"""The canvas dynamics in training: what it learns from, what it may not see, settings that cannot be."""

import pytest
import torch
from torch import Tensor

from genieredux.errors import UserError
from genieredux.models.build import build_model, check_settings, needs_tokenizer, settings_of
from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.dynamics.canvas.motion import left_over, settled, to_codes
from genieredux.models.dynamics.canvas.painter import Painted
from genieredux.models.types import Batch
from genieredux.nn.draws import ClipGenerator
from models.dynamics.canvas.test_registration import scene, window

SMALL = {"architecture": "canvas", "image_size": 32, "codebook_size": 8, "width": 8, "motion_width": 16, "margin": 8}
STEPS = ((0, 0), (0, 2), (-3, 0), (2, -2))


def walk(actions: Tensor, seed: int = 0) -> Tensor:
    """Frames (B, T, 3, 32, 32) of a window that every action moves by its step: the content goes the other way."""
    picture = scene(seed, 160)
    clips = []
    for row in actions.tolist():
        down = right = 64
        frames = [window(picture, down, right)]
        for action in row:
            down, right = down + STEPS[action][0], right + STEPS[action][1]
            frames.append(window(picture, down, right))
        clips.append(torch.stack(frames))
    return torch.stack(clips)


def batch(clips: int = 4, frames: int = 9, seed: int = 0) -> Batch:
    actions = torch.randint(4, (clips, frames - 1), generator=torch.Generator().manual_seed(seed))
    return Batch(frames=walk(actions), actions=actions)


def make(**settings: object) -> CanvasDynamics:
    torch.manual_seed(0)
    model = build_model("genie_redux_guided", {**SMALL, **settings}, action_names=list("abcd"))
    assert isinstance(model, CanvasDynamics)
    model.look_first([batch(seed=9)])
    return model


def test_its_codebook_is_the_motions_that_it_was_shown():
    model = make()
    wanted = torch.tensor([[-float(down), -float(right)] for down, right in STEPS])
    assert torch.cdist(wanted, model.codes).min(1).values.max() < 0.1
    assert model.codes[0].tolist() == [0, 0]


def test_every_parameter_learns_and_the_loss_is_of_its_parts():
    model = make().train()
    losses = model(batch(), torch.Generator().manual_seed(0))
    losses.total.backward()
    assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]
    whole = losses.parts["motion"] + model.config.paint_weight * losses.parts["paint"]
    torch.testing.assert_close(losses.total.detach(), whole)


def test_it_learns_to_move_and_to_paint():
    model = make(painted=1.0).train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    history = []
    for step in range(80):
        losses = model(batch(seed=step % 2), torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        history.append(losses.parts)
    first, last = history[0], history[-2]  # of one batch and one length of chains
    assert last["motion"] < 0.5 * first["motion"]
    assert last["paint"] < 0.7 * first["paint"]


def test_the_motion_loss_sees_no_future():
    """The logits of a motion do not depend on the frame that it leads to, nor on later actions."""
    model = make().eval()
    data = batch(1)
    frames, actions = data.frames, data.actions
    motions = torch.zeros(1, 8, 2)
    past = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    usual, _ = model.prior(past, motions, actions)
    changed, later = past.clone(), actions.clone()
    changed[:, 6:], later[:, 5:] = 0, 3 - later[:, 5:]
    other, _ = model.prior(changed, motions, later)
    torch.testing.assert_close(usual[:, :5], other[:, :5])
    assert (usual[:, 5:] - other[:, 5:]).abs().max() > 1e-4


def test_the_motion_loss_looks_at_no_frame_that_its_motion_led_to():
    """The last frame is nobody's past; the one before is the last motion's."""
    model = make().eval()
    data = batch(2)
    frames = data.frames.clone().requires_grad_()
    motions = torch.zeros(2, 8, 2)
    model._motion_loss(frames, motions, motions, data.actions).sum().backward()
    assert not frames.grad[:, -1].any()
    assert all(frames.grad[:, t].any() for t in range(frames.shape[1] - 1))


@pytest.mark.parametrize(("settings", "drawn_by"), [({}, "draw"), ({"actor": 8, "continued": 4}, "sketch")])
def test_it_dreams_as_it_does_when_it_is_played(settings, drawn_by):
    """One true frame after the first, then its own motions on its own frames, which are sketched where the agent is
    known; and training goes on afterwards."""
    model = make(dreamt=0.5, **settings).train()
    data = batch(2)
    true = model.shifts(data.frames)
    motions = model.codes[to_codes(true, model.codes, true.new_zeros(2, 2))[0]]
    frames, taken = model._dreamt(data.frames, data.actions, motions, torch.full((2, 8), 0.5))
    assert model.training
    model.eval()
    state = model.begin(data.frames[:, 0])
    model.show(state, data.frames[:, 1], motions[:, 0], data.actions[:, 0])
    assert torch.equal(frames[:, :2], data.frames[:, :2])
    assert torch.equal(taken[:, 0], motions[:, 0])
    for t in range(1, 8):
        made = getattr(model, drawn_by)(state, taken[:, t], data.actions[:, t])
        torch.testing.assert_close(frames[:, t + 1], made)
    still = torch.zeros_like(taken[:, :1])
    past = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    logits, _ = model.prior(past, torch.cat([still, taken[:, :-1]], 1), data.actions)
    drawn = ((logits / 0.5).softmax(-1).cumsum(-1) < 0.5).sum(-1)
    owed = torch.zeros(2, 2)
    for t in range(1, 8):
        tokens, wanted = settled(drawn[:, t], logits[:, t], model.codes, owed)
        assert torch.equal(model.codes[tokens], taken[:, t])
        owed = left_over(wanted, taken[:, t])


def test_what_it_dreams_is_drawn_by_chance():
    model = make(dreamt=0.5).train()
    model.codes.copy_(2.0 * torch.arange(len(model.codes))[:, None])  # no two of them are one motion
    data = batch(2)
    motions = torch.zeros(2, 8, 2)
    low, high = (model._dreamt(data.frames, data.actions, motions, torch.full((2, 8), at))[1] for at in (0.0, 0.999))
    assert torch.equal(low[:, 1:], model.codes[0].expand(2, 7, 2))
    assert torch.equal(high[:, 1:], model.codes[-1].expand(2, 7, 2))


def test_means_over_some_clips_of_every_part_make_up_that_of_the_batch():
    """Of eight clips some are drawn; whoever computes a part of them weighs its mean by how many of them it has."""
    model, values = make(), torch.arange(8.0)
    for seed in range(5):

        def part(first, clips, seed=seed):
            generator = ClipGenerator()
            generator.manual_seed(seed)
            own, share = model._some(0.5, clips, generator.of(first, clips, 8), values.device)
            mine = values[first : first + clips][own]
            return clips / 8 * share * mine.mean()

        torch.testing.assert_close(part(0, 5) + part(5, 3), part(0, 8))
        torch.testing.assert_close(part(0, 2) + part(2, 5) + part(7, 1), part(0, 8))


@pytest.mark.parametrize(
    ("settings", "share"), [({"dreamt": 0.5}, 1), ({"dreamt": 0.0}, 0), ({"reach": 0, "dreamt": 0.5}, 0)]
)
def test_what_its_dreams_teach_is_a_part_of_its_loss(monkeypatch, settings, share):
    """Where it dreams at all, and the picture can move."""
    model = make(**settings).eval()
    found = []
    for weight in (0.0, 5.0):
        monkeypatch.setattr(model, "_dreamt_loss", lambda *_, weight=weight: torch.tensor(weight))
        losses = model(batch(2), torch.Generator().manual_seed(0))
        found.append((losses.total.item(), losses.parts["motion"].item()))
    assert [more - less for less, more in zip(*found, strict=True)] == pytest.approx([5 * share] * 2, abs=1e-4)


def test_a_dream_is_held_to_what_the_game_did_until_it_is_astray(monkeypatch):
    """Of two dreamt clips one is where the game was, and the other seven pixels off from its fourth frame on."""
    model = make(dreamt=1.0).train()
    data = batch(2)
    true = torch.zeros(2, 8, 2)
    taken = true.clone()
    taken[0, 1, 0] = 1.0  # a little off, which the prior is told
    taken[1, 3, 1] = -7.0
    monkeypatch.setattr(model, "_dreamt", lambda *_: (data.frames, taken))
    loss = model._dreamt_loss(data.frames, data.actions, true, true, torch.Generator().manual_seed(0))
    each = model._motion_loss(data.frames, true, taken, data.actions)
    assert each.shape == (2, 7)
    # motions 1, 2 and 3 were predicted where the game was; those after it not
    torch.testing.assert_close(loss, (each[0].sum() + each[1, :3].sum()) / 14)


def test_a_dreamt_motion_counts_as_much_as_a_true_one(monkeypatch):
    model = make(dreamt=0.5, noise=0).eval()
    data = batch(4)
    true = torch.zeros(4, 8, 2)
    monkeypatch.setattr(model, "_dreamt", lambda frames, actions, motions, drawn: (frames, motions))
    loss = model._dreamt_loss(data.frames, data.actions, true, true, torch.Generator().manual_seed(0))
    own, share = model._some(0.5, 4, _after(torch.Generator().manual_seed(0), (4, 8)), data.frames.device)
    assert own.sum() == 2
    assert share == 1
    each = model._motion_loss(data.frames[own], true[own], true[own], data.actions[own])
    torch.testing.assert_close(loss, each.sum() / (4 * 7))


def _after(generator: torch.Generator, shape: tuple[int, ...]) -> torch.Generator:
    torch.rand(shape, generator=generator)
    return generator


def test_parts_of_a_batch_dream_what_the_whole_does():
    """The losses of its halves, each with its share of what the whole draws, make up the whole's."""
    model = make(dreamt=0.25, painted=0.25).eval()
    whole = batch(8)
    parts = []
    for first in (0, 4):
        half = Batch(frames=whole.frames[first : first + 4], actions=whole.actions[first : first + 4])
        parts.append(model(half, ClipGenerator().of(first, 4, 8)).total)
    together = model(whole, ClipGenerator().of(0, 8, 8)).total
    torch.testing.assert_close((parts[0] + parts[1]) / 2, together, atol=1e-4, rtol=1e-4)


def test_without_a_camera_that_moves_nothing_is_dreamt(monkeypatch):
    model = make(dreamt=1.0, reach=0)
    monkeypatch.setattr(model, "_dreamt", lambda *_: pytest.fail("it dreamt"))
    model(batch(2), torch.Generator().manual_seed(0))


def test_what_was_drawn_is_the_past():
    model = make().eval()
    data = batch(2)
    state = model.begin(data.frames[:, 0])
    first = model.draw(state, torch.full((2, 2), 1.0), data.actions[:, 0])
    assert torch.equal(state.last, first)
    assert torch.equal(state.before, data.frames[:, 0])
    second = model.draw(state, torch.full((2, 2), -2.0), data.actions[:, 1])
    assert torch.equal(state.last, second)
    assert torch.equal(state.before, first)
    assert torch.equal(state.motion, torch.full((2, 2), -2.0))


def test_what_stays_in_place_is_not_laid_on_the_canvas():
    """Where every pixel is the last frame's in place, the canvas moves on under it and stays what it was."""
    model = make().eval()
    bias = torch.tensor([-100.0, 100, -100, 0, 0, 0]).repeat_interleave(4)
    with torch.no_grad():
        model.painter.network.leave.bias.copy_(bias)
    data = batch(2)
    state = model.begin(data.frames[:, 0])
    drawn = model.draw(state, torch.tensor([[0.0, -3.0]] * 2), data.actions[:, 0])
    torch.testing.assert_close(drawn, data.frames[:, 0], atol=1e-3, rtol=0)
    view, _ = state.canvas.view()
    torch.testing.assert_close(view[..., :-3], data.frames[:, 0, :, :, 3:], atol=1e-5, rtol=0)


def test_the_painters_error_by_hand():
    """Truth 0; frames .2 and paint .4 everywhere but for one column, half of the picture unknown."""
    model = make()
    frames, paint, known = torch.full((1, 3, 8, 8), 0.2), torch.full((1, 3, 8, 8), 0.4), torch.ones(1, 1, 8, 8)
    frames[..., 0] = 0.6
    known[:, :, :4] = 0
    made = Painted(frames, paint, frames, frames, known)
    counts = 1 + 2.0 * 0.5  # new_weight is 2
    edges = 0.4 / 7  # one of seven differences across, none down
    expected = 0.25 * counts + 0.5 * 0.4 * counts + 0.25 * edges
    torch.testing.assert_close(model._error(made, torch.zeros_like(frames)), torch.tensor(expected))


def test_chains_begin_anew_with_the_truth():
    """In chains of one every painted frame follows true ones; in longer ones it follows its own."""
    model = make(painted=1.0).eval()
    for parameter in model.painter.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    data = batch(2)
    motions = torch.zeros(2, 8, 2)
    drawn = {}
    for length in (1, 3, 8):
        drawn[length] = model._paint(data.frames, data.actions, motions, length)[2]
    assert torch.equal(drawn[1][:, :2], data.frames[:, :2])
    torch.testing.assert_close(drawn[1][:, 2], drawn[3][:, 2])
    assert (drawn[1][:, 3] - drawn[3][:, 3]).abs().max() > 0.01
    assert torch.equal(drawn[3][:, :5], drawn[8][:, :5])
    assert not torch.equal(drawn[3][:, 5], drawn[8][:, 5])
    other = data.frames.clone()
    other[:, 5:] = 0.5
    again = model._paint(other, data.actions, motions, 3)[2]
    assert torch.equal(again[:, :6], drawn[3][:, :6])  # frame 5 is painted from what came before


@pytest.mark.parametrize(
    "settings", [{}, {"actor": 8, "continued": 8, "whole_pixels": True}], ids=["plain", "actor-and-whole-pixels"]
)
def test_a_frame_after_true_ones_is_painted_as_a_dream_paints_it(settings):
    """Whatever is trained at once is what a dream would draw after the same true frames, one by one."""
    model = make(painted=1.0, chains=(1,), **settings).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    data = batch(2)
    data.frames[:, 6:] = torch.rand(data.frames[:, 6:].shape, generator=torch.Generator().manual_seed(1))  # a cut
    motions = torch.randint(-2, 3, (2, 8, 2), generator=torch.Generator().manual_seed(0)).float()
    loss, error, drawn = model._paint(data.frames, data.actions, motions, 1)
    losses = []
    for t in range(2, 9):
        state = model.begin(data.frames[:, 0])
        for k in range(1, t):
            model.show(state, data.frames[:, k], motions[:, k - 1], data.actions[:, k - 1])
        made = model.paint(state, motions[:, t - 1], data.actions[:, t - 1])
        losses.append(model._error(made, data.frames[:, t]))
        torch.testing.assert_close(drawn[:, t], made.frames.clamp(0, 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(loss, torch.stack(losses).mean(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(error, (drawn[:, 2:] - data.frames[:, 2:]).square().mean())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"continued": 1}, r"dynamics\.continued is 1; it must be 0 .* or at least 2"),
        ({"reach": 1}, r"dynamics\.reach is 1; it must be 0 .* or at least 2"),
        ({"chains": []}, r"dynamics\.chains is \(\); it must be at least one length"),
        ({"chains": [4, 0]}, r"dynamics\.chains is 0; it must be from 1 to"),
    ],
)
def test_values_that_are_nothing_are_said_before_anything_is_read(values, said):
    """By a command before it opens data, as by the settings themselves."""
    with pytest.raises(UserError, match=said):
        check_settings("genie_redux_guided", {"architecture": "canvas", **values})
    with pytest.raises(UserError, match=said):
        settings_of("dynamics", {"architecture": "canvas", **values})


def test_settings_that_cannot_be_are_one_line():
    with pytest.raises(UserError, match=r"multiple of 8.*image_size=64"):
        CanvasConfig(image_size=60)
    with pytest.raises(UserError, match=r"dynamics\.painted is 2"):
        CanvasConfig(painted=2.0)
    with pytest.raises(UserError, match=r"dynamics\.dreamt is 1\.5"):
        CanvasConfig(dreamt=1.5)
    assert not needs_tokenizer("genie_redux_guided", {"architecture": "canvas"})
    assert needs_tokenizer("genie_redux_guided", {})
    assert not needs_tokenizer("genie_redux", {"dynamics": {"architecture": "canvas"}})


FIXED = {"reach": 0, "sprites": 2, "painted": 1.0, "margin": 8}
"""A camera that never moves, over things that do."""


def slides(actions: Tensor, seed: int = 0) -> Tensor:
    """Frames (B, T, 3, 32, 32): a square with a texture of its own on a plain ground, which actions 1 and 3 move 3
    pixels to the right and to the left, and the others leave; it stops at the edges."""
    texture = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(seed))
    clips = []
    for row in actions.tolist():
        column, frames = 13, []
        for action in [0, *row]:
            column = min(26, max(1, column + {1: 3, 3: -3}.get(action, 0)))
            frame = torch.full((3, 32, 32), 0.1)
            frame[:, 14:19, column : column + 5] = texture
            frames.append(frame)
        clips.append(torch.stack(frames))
    return torch.stack(clips)


def test_under_a_camera_that_never_moves_there_is_one_token_and_the_canvas_is_the_last_frame():
    model = make(**FIXED, codebook_size=8).eval()
    data = batch(2)
    assert model.codes.tolist() == [[0, 0]]
    assert not model.shifts(data.frames).any()
    state = model.begin(data.frames[:, 0])
    model.show(state, data.frames[:, 1], torch.zeros(2, 2), data.actions[:, 0])
    assert torch.equal(state.canvas.view()[0], data.frames[:, 1])
    drawn = model.draw(state, torch.zeros(2, 2), data.actions[:, 1])
    assert torch.equal(state.canvas.view()[0], drawn)


def test_a_thing_goes_where_the_action_says_and_keeps_its_texture():
    """Learned in a moment: what actions moved is where it should be, as sharp as it was, eight frames later."""
    model = make(**FIXED).train()
    actions = torch.randint(4, (16, 6), generator=torch.Generator().manual_seed(9))
    model.look_first([Batch(frames=slides(actions), actions=actions)])
    assert sorted(model.painter.sprites.motions.tolist()) == [[0, -3], [0, 3]]
    optimizer = torch.optim.Adam(model.parameters(), 4e-3)
    for step in range(40):
        actions = torch.randint(4, (4, 6), generator=torch.Generator().manual_seed(step))
        losses = model(Batch(frames=slides(actions), actions=actions), torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
    for way in (1, 3):
        actions = torch.tensor([[0, way, 2, way, 0, 2, way, 0, 4 - way]])
        true = slides(actions)
        state = model.eval().begin(true[:, 0])
        for action in actions.T:
            drawn = model.draw(state, torch.zeros(1, 2), action)
        assert -10 * (drawn - true[:, -1]).square().mean().log10() > 30
        assert -10 * (true[:, 0] - true[:, -1]).square().mean().log10() < 22


@pytest.mark.parametrize("reach", [1, -1])
def test_a_reach_that_cannot_be(reach):
    with pytest.raises(UserError, match="reach"):
        make(reach=reach)
