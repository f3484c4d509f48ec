"""actions[k] leads from frames[k] to frames[k+1]: from the recorder through the disk to the windows, whatever
is cut how.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.episodes import Dataset, DatasetWriter, Track, WindowSampler
from genieredux.episodes.alignment import check_alignment, num_actions, window_slices
from genieredux.episodes.fake import PLACES, fake_dataset, fake_episode, fake_places, fake_spec
from genieredux.episodes.schema import Episode
from genieredux.errors import UserError


def follows(frames: np.ndarray, actions: np.ndarray) -> bool:
    """Whether each action explains the change between the frames around it, frames (T, H, W, 3), actions
    (T-1,).
    """
    places = fake_places(frames)
    return bool(np.array_equal((places[:-1] + actions) % PLACES, places[1:]))


@settings(deadline=None)
@given(actions=st.lists(st.integers(0, 2), max_size=40), first=st.integers(0, PLACES - 1))
def test_track_keeps_each_action_between_its_frames(actions: list[int], first: int) -> None:
    def frame(place: int) -> np.ndarray:
        out = np.zeros((16, 16, 3), np.uint8)
        out[:, place, 0] = 255
        return out

    buffer = frame(first)
    track = Track(buffer, {"place": first})
    place = first
    for action in actions:
        place = (place + action) % PLACES
        buffer[:] = frame(place)  # as an environment that reuses its buffer
        track.step(action, float(action), buffer, {"place": place})
    played = track.episode(True, False)
    assert played.frames.shape == (len(actions) + 1, 16, 16, 3)
    assert played.actions.tolist() == actions
    assert played.rewards.tolist() == actions
    assert played.actions.dtype == np.int64
    assert played.rewards.dtype == np.float32
    assert np.array_equal(played.info["place"], fake_places(played.frames))
    assert follows(played.frames, played.actions)


def test_a_track_keeps_what_it_recorded_when_it_grows() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 3), np.uint8)
    track = Track(frames[0])
    for frame in frames[1:]:
        track.step(0, 0.0, frame)
    assert np.array_equal(track.episode(False, True).frames, frames)


def test_track_drops_an_action_whose_outcome_was_not_shown_but_not_its_reward() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    track = Track(frame)
    track.step(1, 0.5, frame)
    track.end_unseen(10.0)
    played = track.episode(True, False)
    assert len(played.frames) == 2
    assert played.actions.tolist() == [1]
    assert played.rewards.tolist() == [10.5]


def test_track_repeats_info_that_a_frame_lacks_and_knows_none_before_it_appears() -> None:
    frame = np.zeros((8, 8, 3), np.uint8)
    track = Track(frame, {"lives": 3})
    track.step(0, 0.0, frame, {"score": 1})
    track.step(0, 0.0, frame, {"lives": 2})
    info = track.episode(False, True).info
    assert list(info) == ["lives", "score"]
    assert info["lives"].tolist() == [3, 3, 2]
    np.testing.assert_array_equal(info["score"], [np.nan, 1, 1])


@settings(deadline=None)
@given(start=st.integers(0, 100), frames=st.integers(1, 50))
def test_window_slices_give_one_action_less_than_frames(start: int, frames: int) -> None:
    seen, taken = window_slices(start, frames)
    assert (seen.start, seen.stop - seen.start) == (start, frames)
    assert (taken.start, taken.stop - taken.start) == (start, num_actions(frames))


@pytest.mark.parametrize(("frames", "actions"), [(0, 0), (1, 1), (5, 5), (5, 3)])
def test_misaligned_lengths_are_refused(frames: int, actions: int) -> None:
    with pytest.raises(UserError, match="T-1"):
        check_alignment(frames, actions, "here")


def test_the_check_itself_sees_a_shift() -> None:
    episode = fake_episode(60, seed=3)
    assert follows(episode.frames, episode.actions)
    assert not follows(episode.frames[1:], episode.actions[:-1])
    assert not follows(episode.frames[:-1], episode.actions[1:])


@settings(deadline=None, max_examples=10)
@given(num_frames=st.integers(2, 40), seed=st.integers(0, 1000))
def test_every_window_is_aligned(tmp_path_factory, num_frames: int, seed: int) -> None:
    dataset = fake_dataset(tmp_path_factory.mktemp("aligned"), lengths=(40, 3, 17, 64, 16))
    windows = WindowSampler(dataset.lengths, num_frames, 8, seed).batch_arrays(0)
    frames, actions = dataset.windows(*windows, num_frames)
    assert frames.shape == (8, num_frames, 16, 16, 3)
    assert actions.shape == (8, num_frames - 1)
    assert all(follows(*window) for window in zip(frames, actions, strict=True))


def test_whole_episodes_are_aligned_after_the_disk(tmp_path) -> None:
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        for length in (1, 2, 16, 17, 33):
            writer.append(fake_episode(length))
    dataset = Dataset.open(tmp_path)
    for i in range(len(dataset)):
        episode: Episode = dataset.episode(i)
        assert follows(episode.frames, episode.actions)
        assert np.array_equal(episode.info["place"], fake_places(episode.frames))
