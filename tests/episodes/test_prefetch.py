"""Things made ahead come in order, whoever makes them and when; windows are those of their episodes."""

import threading
import time

import numpy as np
import pytest

from genieredux.episodes import WindowSampler
from genieredux.episodes.fake import fake_dataset
from genieredux.episodes.prefetch import prefetch
from genieredux.errors import UserError


def test_windows_are_cut_from_their_episodes(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(40, 3, 17, 64, 16, 33))
    sampler = WindowSampler(dataset.lengths, 8, 4, seed=5)
    frames, actions = dataset.windows(*sampler.batch_arrays(3), 8)
    assert (frames.shape, frames.dtype) == ((4, 8, 16, 16, 3), np.uint8)
    assert (actions.shape, actions.dtype) == ((4, 7), np.int64)
    for slot, (episode, start) in enumerate(sampler.batch(3)):
        whole = dataset.episode(episode)
        assert np.array_equal(frames[slot], whole.frames[start : start + 8])
        assert np.array_equal(actions[slot], whole.actions[start : start + 7])


def test_single_frames_have_no_actions(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    frames, actions = dataset.windows(np.array([0, 1]), np.array([3, 0]), 1)
    assert (frames.shape, actions.shape) == ((2, 1, 16, 16, 3), (2, 0))


@pytest.mark.parametrize(("threads", "ahead"), [(0, 4), (1, 4), (4, 9), (2, 1)])
def test_threads_change_nothing(threads: int, ahead: int) -> None:
    def make(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number

    assert list(prefetch(make, 2, 12, threads, ahead)) == list(range(2, 14))


def test_leaving_stops_the_threads() -> None:
    before = threading.active_count()
    batches = prefetch(lambda number: number, 0, None, threads=3, ahead=4)
    next(batches)
    assert threading.active_count() > before
    batches.close()
    assert threading.active_count() == before


def test_an_error_comes_where_its_batch_is_due() -> None:
    def make_one(step: int) -> int:
        if step == 3:
            raise UserError("step 3 is damaged")
        return step

    batches = prefetch(make_one, 0, 10, threads=3, ahead=5)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError, match="step 3"):
        next(batches)


def test_no_more_is_made_ahead_than_allowed() -> None:
    made: list[int] = []
    batches = prefetch(lambda step: made.append(step) or step, 0, None, threads=2, ahead=3)
    for expected in range(5):
        assert next(batches) == expected
        time.sleep(0.02)
        assert max(made) <= expected + 3
    batches.close()
