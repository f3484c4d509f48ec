"""Where pictures lie over many frames: no error adds up, and what an anchor cannot know it does not say."""

import itertools

import torch
from torch import Tensor

from genieredux.models.dynamics.canvas.registration import shifts
from genieredux.models.dynamics.canvas.tracking import Track
from models.dynamics.canvas.test_model import make
from models.dynamics.canvas.test_registration import scene, window

FINE = 4
"""Pixels of the picture that is walked over, in one of the frames."""


def seen_at(places: list[tuple[int, int]], seed: int = 0) -> Tensor:
    """Frames (T, 3, 32, 32) of windows at `places`, (down, right) in quarters of a pixel."""
    picture = scene(seed, 640)
    windows = [window(picture, 200 + down, 200 + right, 32 * FINE) for down, right in places]
    return torch.nn.functional.avg_pool2d(torch.stack(windows), FINE)


def tracked(frames: Tensor) -> tuple[Tensor, Tensor, Track]:
    """Motions (T - 1, 2) by a track, those between two frames alone, and the track."""
    track, alone, motions = Track.of(frames[:1]), [], []
    for last, new in itertools.pairwise(frames):
        alone.append(shifts(last[None], new[None], 8))
        motions.append(track.step(new[None], alone[-1]))
    return torch.cat(motions), torch.cat(alone), track


def test_errors_of_single_steps_do_not_add_up():
    """A third of the steps are of a quarter of a pixel, which two frames alone show too small."""
    places = [(0, 0)]
    for step in range(60):
        places.append((places[-1][0] + step % 2, places[-1][1] + (1, 1, 2)[step % 3]))
    motions, alone, _ = tracked(seen_at(places))
    truth = -torch.tensor(places[1:]).float() / FINE
    error, error_alone = ((moved.cumsum(0) - truth).abs().amax(0) for moved in (motions, alone))
    assert (error < 0.35).all(), error
    assert (error_alone > 1.0).any(), error_alone  # or this would be easy


def test_a_dynamics_reads_its_motions_so():
    frames = seen_at([(k // 2, 3 * k) for k in range(12)], seed=9)
    motions, alone, _ = tracked(frames)
    torch.testing.assert_close(make().shifts(frames[None])[0], motions)
    assert (motions - alone).abs().max() > 0.02


def test_there_and_back_is_where_it_was():
    places = [(0, 3 * k) for k in range(12)] + [(0, 3 * k) for k in range(12, -1, -1)]
    motions, _, _ = tracked(seen_at(places, seed=1))
    assert motions.sum(0).abs().max() < 0.2


def test_a_still_picture_does_not_move_and_a_cut_is_what_two_frames_say():
    first, other = seen_at([(0, 0)] * 4, seed=2), seen_at([(0, 4 * k) for k in range(4)], seed=3)
    motions, alone, track = tracked(torch.cat([first, other]))
    assert motions[:3].abs().max() == 0
    torch.testing.assert_close(motions[4:], torch.tensor([[0.0, -1.0]]).repeat(3, 1), atol=0.15, rtol=0)
    assert (motions[3] - alone[3]).abs().max() <= 1  # nobody knows better
    assert track.moved.abs().max() < 32


def test_where_the_anchor_does_not_agree_the_last_frame_is_believed():
    """And it is the anchor from then on."""
    frames = seen_at([(0, 0), (0, 4), (0, 8)], seed=4)
    track = Track.of(frames[:1])
    track.moved = torch.tensor([[0.0, 5.0]])  # as if it were elsewhere
    motion = track.step(frames[1:2], torch.tensor([[0.0, -1.0]]))
    assert motion.tolist() == [[0.0, -1.0]]
    assert torch.equal(track.anchor, frames[1:2])
    assert track.age.tolist() == [0]


def test_an_anchor_is_given_up_when_it_is_far_or_old():
    frames = seen_at([(0, 4 * k) for k in range(8)], seed=6)
    track = Track.of(frames[:1])
    for new, age in zip(frames[1:], [1, 2, 3, 4, 5, 0, 1], strict=True):  # a sixth of 32 is 5.3
        track.step(new[None], torch.tensor([[0.0, -1.0]]))
        assert track.age.tolist() == [age]
    track, ages = Track.of(frames[:1]), []
    for _ in range(25):
        track.step(frames[:1], torch.zeros(1, 2))
        ages.append(track.age.item())
    assert ages == [*range(1, 24), 0, 1]


def test_clips_are_apart():
    one, two = seen_at([(0, 4 * k) for k in range(6)], seed=7), seen_at([(3 * k, 0) for k in range(6)], seed=8)
    track = Track.of(torch.stack([one[0], two[0]]))
    together = []
    for t in range(1, 6):
        new, last = torch.stack([one[t], two[t]]), torch.stack([one[t - 1], two[t - 1]])
        together.append(track.step(new, shifts(last, new, 8)))
    for index, alone in enumerate((one, two)):
        torch.testing.assert_close(torch.stack(together)[:, index], tracked(alone)[0])
    other = Track.of(one[:1])
    track.put(torch.tensor([1]), other)
    assert torch.equal(track.anchor[1], one[0])
    assert track.age.tolist() == [5, 0]
    assert track.moved[1].abs().max() == 0
    assert track.moved[0].abs().max() > 0
