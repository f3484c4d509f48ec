"""Batches are what the sampler says, whoever makes them and when."""

import threading
import time

import numpy as np
import pytest

from genieredux.episodes import Dataset, Windows, WindowSampler
from genieredux.episodes.fake import fake_dataset
from genieredux.episodes.windows import prefetch
from genieredux.errors import UserError


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    return fake_dataset(tmp_path, lengths=(40, 3, 17, 64, 16, 33))


def make(dataset: Dataset, **options: int | bool) -> Windows:
    return Windows(dataset, WindowSampler(dataset.lengths, 8, 4, seed=5), **options)


def test_a_batch_holds_the_windows_of_its_step(dataset: Dataset) -> None:
    batch = make(dataset).batch(3)
    assert (batch.frames.shape, batch.frames.dtype) == ((4, 8, 16, 16, 3), np.uint8)
    assert (batch.actions.shape, batch.actions.dtype) == ((4, 7), np.int64)
    pairs = WindowSampler(dataset.lengths, 8, 4, seed=5).batch(3)
    for slot, (episode, start) in enumerate(pairs):
        whole = dataset.episode(episode)
        assert (batch.episodes[slot], batch.starts[slot]) == (episode, start)
        assert np.array_equal(batch.frames[slot], whole.frames[start : start + 8])
        assert np.array_equal(batch.actions[slot], whole.actions[start : start + 7])


@pytest.mark.parametrize(
    "options", [{"threads": 0}, {"threads": 1}, {"threads": 4, "ahead": 9}, {"memory": True}, {"ahead": 1}]
)
def test_threads_and_memory_change_nothing(dataset: Dataset, options: dict) -> None:
    plain = make(dataset)
    for step, batch in enumerate(make(dataset, **options).iterate(2, 12), start=2):
        expected = plain.batch(step)
        assert np.array_equal(batch.frames, expected.frames)
        assert np.array_equal(batch.actions, expected.actions)
    assert step == 13


def test_going_on_at_a_step_is_resuming(dataset: Dataset) -> None:
    whole = [batch.starts.tolist() for batch in make(dataset).iterate(0, 10)]
    parts = [b.starts.tolist() for a, n in ((0, 4), (4, 6)) for b in make(dataset).iterate(a, n)]
    assert parts == whole


def test_single_frames_have_no_actions(dataset: Dataset) -> None:
    batch = Windows(dataset, WindowSampler(dataset.lengths, 1, 4, seed=5)).batch(0)
    assert batch.frames.shape == (4, 1, 16, 16, 3)
    assert batch.actions.shape == (4, 0)


def test_leaving_the_loop_stops_the_threads(dataset: Dataset) -> None:
    before = threading.active_count()
    for _ in make(dataset, threads=3).iterate():
        break
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
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
