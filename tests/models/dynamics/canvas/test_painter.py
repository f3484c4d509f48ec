"""The mix of candidates, by hand."""

import dataclasses

import torch

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.painter import Painter

CONFIG = CanvasConfig(image_size=16, width=8, blocks=1)


def ask(painter, known, **changes):
    generator = torch.Generator().manual_seed(0)
    last, before, view = torch.rand(3, 2, 3, 16, 16, generator=generator)
    asked = {
        "last": last,
        "before": before,
        "view": view * known,
        "known": known,
        "action": torch.tensor([0, 1]),
        "motions": torch.zeros(2, 2, 2),
    } | changes
    return painter(**asked), asked


def test_untrained_it_mixes_canvas_and_last_frame_by_the_first_logits():
    known = torch.ones(2, 1, 16, 16)
    known[:, :, :4] = 0
    made, asked = ask(Painter(CONFIG, 3), known)
    share = torch.tensor([2.0, 1.0, 0.0]).softmax(0)
    expected = (share[0] + share[2]) * asked["view"] + share[1] * asked["last"]
    torch.testing.assert_close(made.frames[:, :, 4:], expected[:, :, 4:])
    torch.testing.assert_close(made.mix[:, :, 4:].mean((0, 2, 3)), share)
    torch.testing.assert_close(made.frames[:, :, :4], asked["last"][:, :, :4])
    assert made.mix[:, 0, :4].max() < 1e-6  # what is not known is barred
    torch.testing.assert_close(made.paint[:, :, :4], asked["last"][:, :, :4])


def test_it_is_more_decided_when_it_does_not_train():
    """Three times the logits: nearly one candidate, whose texture stays."""
    made, asked = ask(Painter(CONFIG, 3).eval(), torch.ones(2, 1, 16, 16))
    share = (3 * torch.tensor([2.0, 1.0, 0.0])).softmax(0)
    torch.testing.assert_close(made.mix.mean((0, 2, 3)), share)
    torch.testing.assert_close(made.frames, (1 - share[1]) * asked["view"] + share[1] * asked["last"])


def test_no_candidate_is_ever_lost():
    """However sure the network is, the paint has a share that a gradient reaches."""
    painter = Painter(CONFIG, 3)
    with torch.no_grad():
        bias = painter.network.leave.bias
        bias.copy_(torch.tensor([100.0, -100.0, -100.0, 0, 0, 0]).repeat_interleave(4))
    mix = ask(painter, torch.ones(2, 1, 16, 16))[0].mix.detach()
    assert 1e-6 < float(mix[:, 2].min()) < 1e-3
    assert float(mix[:, 0].min()) > 0.99


def test_action_and_motions_reach_every_pixel_and_each_clip_alone():
    painter = Painter(CONFIG, 3)
    for parameter in painter.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    known = torch.ones(2, 1, 16, 16)
    usual, _ = ask(painter, known)
    other, _ = ask(painter, known, action=torch.tensor([0, 2]))
    assert torch.equal(usual.frames[0], other.frames[0])
    assert (usual.frames[1] - other.frames[1]).abs().mean() > 1e-5
    for index in (0, 1):
        motions = torch.zeros(2, 2, 2)
        motions[1, index, 0] = 2.5
        other, _ = ask(painter, known, motions=motions)
        assert torch.equal(usual.frames[0], other.frames[0])
        assert (usual.frames[1] - other.frames[1]).abs().mean() > 1e-5


def test_what_is_new_continues_what_was_seen():
    """Four unknown rows under stripes: the mix takes them as it takes the canvas, and the network hears how sure."""
    painter = Painter(dataclasses.replace(CONFIG, continued=6), 3)
    heard: list[torch.Tensor] = []
    painter.network.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    known = torch.ones(2, 1, 16, 16)
    known[:, :, 12:] = 0
    stripes = torch.rand(2, 3, 4, 1, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 4, 16)
    made, asked = ask(painter, known, view=stripes * known)
    share = torch.tensor([2.0, 1.0, 0.0]).softmax(0)
    torch.testing.assert_close(made.frames, (share[0] + share[2]) * stripes + share[1] * asked["last"])
    torch.testing.assert_close(made.paint, stripes)
    assert torch.equal(made.known, known)
    sure = heard[0][:, 9:10]
    assert bool((sure[:, :, :12] == 1).all())
    assert 0.25 < float(sure[:, :, 12:].min()) <= float(sure[:, :, 12:].max()) <= 0.5


def test_where_nothing_continues_it_is_the_last_frame_as_before():
    known = torch.zeros(2, 1, 16, 16)
    known[:, :, :4] = 1
    painters = [Painter(dataclasses.replace(CONFIG, continued=far), 3) for far in (4, 0)]
    for painter in painters:
        torch.nn.init.constant_(painter.network.leave.bias, 0.2)
    far, none = (ask(painter, known)[0].frames for painter in painters)
    torch.testing.assert_close(far[:, :, 8:], none[:, :, 8:])
    assert (far[:, :, 4:8] - none[:, :, 4:8]).abs().max() > 0.01


def test_what_is_in_front_of_the_canvas_is_taken_in_place_to_begin_with():
    front = torch.zeros(1, 1, 16, 16)
    front[..., 4:8, 4:8] = 1
    made, _ = ask(Painter(CONFIG, 3), torch.ones(2, 1, 16, 16), front=front)
    shares = made.mix.mean(0)
    torch.testing.assert_close(shares[:, 5, 5], torch.tensor([1.0, 3.0, 0.0]).softmax(0))
    torch.testing.assert_close(shares[:, 9, 9], torch.tensor([2.0, 1.0, 0.0]).softmax(0))
