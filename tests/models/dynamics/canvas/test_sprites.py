"""Things that move by themselves: their motions found, and their texture kept."""

import torch

from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.dynamics.canvas.painter import Painter
from genieredux.models.dynamics.canvas.sprites import Sprites

CONFIG = CanvasConfig(image_size=32, width=8, blocks=1, sprites=3)


def things(*motions: tuple[int, int], frames: int = 4) -> torch.Tensor:
    """Frames (1, T, 3, 32, 32): a square of 4 x 4 pixels of its own for each motion, on a plain ground."""
    generator = torch.Generator().manual_seed(0)
    clip = torch.full((1, frames, 3, 32, 32), 0.2)
    for number, (down, right) in enumerate(motions):
        texture = torch.rand(3, 4, 4, generator=generator)
        for t in range(frames):
            row, column = 13 + t * down, 3 + 9 * number + t * right
            clip[0, t, :, row : row + 4, column : column + 4] = texture
    return clip


def test_motions_of_things_are_found_the_commonest_first():
    sprites = Sprites(CONFIG, 3)
    sprites.find([things((0, 0), (-3, 0)), things((2, 1), (-3, 0))])
    assert sprites.motions.tolist() == [[-3, 0], [2, 1], [0, 0]]


def test_where_nothing_moves_nothing_is_found():
    sprites = Sprites(CONFIG, 3)
    sprites.motions += 1
    sprites.find([things((0, 0), (0, 0))])
    assert not sprites.motions.any()


def test_of_motions_that_fit_alike_the_nearest_is_found():
    """A row of equal bars four pixels apart, which move by one: or by five, or three the other way."""
    bars = (torch.arange(32) % 4 == 0).float() * 0.8
    frames = torch.stack([bars.roll(t)[None, None, :].expand(3, 32, 32) for t in range(3)])[None]
    sprites = Sprites(CONFIG, 3)
    sprites.find([frames])
    assert sprites.motions[0].tolist() == [0, 1]


def test_the_last_frame_is_offered_under_each_motion():
    sprites = Sprites(CONFIG, 3)
    sprites.motions.copy_(torch.tensor([[2, 0], [0, -3], [0, 0]]))
    last, before = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    moved, chances = sprites(last, before, torch.tensor([0, 1]))
    assert torch.equal(moved[:, 0, :, 2:], last[:, :, :-2])
    assert torch.equal(moved[:, 0, :, 0], last[:, :, 0])  # the edge goes on
    assert torch.equal(moved[:, 1, :, :, :-3], last[:, :, :, 3:])
    assert torch.equal(moved[:, 2], last)
    assert chances.shape == (2, 4, 32, 32)
    torch.testing.assert_close(chances.sum(1), torch.ones(2, 32, 32))


def test_what_is_moved_is_as_sharp_as_it_was():
    """Where the painter is sure of a motion its frame is the last one, moved."""
    painter = Painter(CONFIG, 3).eval()
    painter.sprites.motions[1] = torch.tensor([-2, 3])
    with torch.no_grad():
        painter.sprites.leave.bias.copy_(torch.tensor([0.0, -100, 100, -100]))
    last, before = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    still, known = torch.zeros(2, 2, 2), torch.ones(2, 1, 32, 32)
    made = painter(last, before, last, known, torch.tensor([0, 1]), still)
    torch.testing.assert_close(made.frames[:, :, :-2, 3:], last[:, :, 2:, :-3], atol=2e-3, rtol=0)
    assert made.in_place.min() > 0.99


def test_untrained_a_still_scene_stays():
    painter = Painter(CONFIG, 3).eval()
    painter.sprites.motions.copy_(torch.tensor([[2, 0], [0, -3], [0, 4]]))
    last = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    made = painter(last, last, last, torch.ones(2, 1, 32, 32), torch.tensor([0, 1]), torch.zeros(2, 2, 2))
    assert (made.frames - last).abs().max() < 0.02


def test_its_loss_is_least_where_the_right_motion_is_chosen():
    """A thing went 3 up. Sure of that, the next frame is as likely as can be; sure of another motion, it is not."""
    frames, actions = things((-3, 0)), torch.tensor([[0, 1, 1]])
    sprites = Sprites(CONFIG, 3)
    sprites.motions.copy_(torch.tensor([[-3, 0], [0, 3], [0, 0]]))
    losses = []
    for sure in (0, 1):
        with torch.no_grad():
            sprites.leave.bias.copy_(torch.tensor([-8.0, *[-8.0] * 3]))
            sprites.leave.bias[1 + sure] = 30
        loss = sprites.loss(frames, actions, torch.Generator().manual_seed(0))
        losses.append(float(loss.detach()))
    assert losses[0] < 0.2
    assert losses[1] > 1


def test_nothing_is_learned_where_nothing_can_move():
    sprites = Sprites(CONFIG, 3)
    loss = sprites.loss(torch.full((2, 4, 3, 32, 32), 0.4), torch.zeros(2, 3, dtype=torch.int64))
    assert loss.item() == 0
    loss.backward()
    assert sprites.leave.weight.grad is not None


def test_actions_may_be_vectors():
    sprites = Sprites(CanvasConfig(image_size=32, sprites=3, action_width=5), 0)
    sprites.motions[0, 1] = 4
    loss = sprites.loss(things((0, 4), (0, 0)), torch.rand(1, 3, 5))
    loss.backward()
    assert sprites.leave_by_action.weight.grad.any()
