"""A batch is a function of (seed, step, rank) and nothing else, and an epoch is every window once."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.episodes import WindowSampler
from genieredux.episodes.permutation import Permutation
from genieredux.errors import UserError

LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=20)


def all_windows(lengths: list[int], num_frames: int, stride: int = 1) -> list[tuple[int, int]]:
    """The definition, in the slow way."""
    return [(i, s) for i, n in enumerate(lengths) for s in range(0, n - num_frames + 1, stride)]


@settings(deadline=None)
@given(n=st.integers(1, 3000), seed=st.integers(-(2**70), 2**70))
def test_a_permutation_has_everything_once(n: int, seed: int) -> None:
    assert np.array_equal(np.sort(Permutation(n, seed)(np.arange(n))), np.arange(n))


def test_a_permutation_mixes() -> None:
    n = 10_000
    order = Permutation(n, 1)(np.arange(n))
    assert not np.array_equal(order, Permutation(n, 2)(np.arange(n)))
    assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 0.04
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.04
    assert abs(np.mean(np.abs(np.diff(order))) / n - 1 / 3) < 0.02  # neighbours are strangers
    halves = [np.mean(Permutation(n, seed)(np.arange(100)) < n // 2) for seed in range(200)]
    assert abs(np.mean(halves) - 0.5) < 0.02


def test_a_permutation_takes_any_shape_and_refuses_nothing_to_permute() -> None:
    grid = Permutation(12, 0)(np.arange(12).reshape(3, 4))
    assert grid.shape == (3, 4)
    assert int(Permutation(12, 0)(np.array(5))) == grid[1, 1]
    with pytest.raises(ValueError, match="0 things"):
        Permutation(0, 0)


@settings(deadline=None)
@given(
    lengths=LENGTHS,
    num_frames=st.integers(1, 12),
    batch_size=st.integers(1, 7),
    world_size=st.integers(1, 4),
    stride=st.integers(1, 5),
    seed=st.integers(-5, 2**40),
)
def test_an_epoch_is_every_window_once_over_all_ranks(
    lengths: list[int], num_frames: int, batch_size: int, world_size: int, stride: int, seed: int
) -> None:
    expected = all_windows(lengths, num_frames, stride)
    if not expected:
        with pytest.raises(UserError, match=f"no episode has {num_frames} frames"):
            WindowSampler(lengths, num_frames, batch_size, seed, stride=stride)
        return
    ranks = [
        WindowSampler(lengths, num_frames, batch_size, seed, rank, world_size, stride) for rank in range(world_size)
    ]
    assert ranks[0].num_windows == len(expected)
    drawn = [
        window
        for step in range(-(-2 * len(expected) // (batch_size * world_size)))
        for sampler in ranks
        for window in sampler.batch(step)
    ]
    first, second = drawn[: len(expected)], drawn[len(expected) : 2 * len(expected)]
    assert sorted(first) == sorted(second) == expected
    if len(expected) > 20:
        assert first != second


@settings(deadline=None)
@given(lengths=LENGTHS, steps=st.lists(st.integers(0, 10**6), min_size=1, max_size=5))
def test_a_batch_does_not_depend_on_what_was_drawn_before(lengths: list[int], steps: list[int]) -> None:
    lengths = [*lengths, 9]
    used = WindowSampler(lengths, 4, 8, seed=3, rank=1, world_size=2)
    for step in steps:
        fresh = WindowSampler(lengths, 4, 8, seed=3, rank=1, world_size=2)
        assert used.batch(step) == fresh.batch(step)


def test_seeds_and_epochs_differ() -> None:
    def epoch(seed: int, number: int) -> list[tuple[int, int]]:
        return WindowSampler([115], 16, 100, seed).batch(number)

    assert len({tuple(epoch(seed, number)) for seed in range(4) for number in range(4)}) == 16


def test_a_batch_is_from_many_episodes() -> None:
    sampler = WindowSampler([100] * 200, 16, 64, seed=0)
    spread = [len({episode for episode, _ in sampler.batch(step)}) for step in range(20)]
    assert min(spread) > 40  # 64 draws of 200 meet 55 on average


def test_windows_are_drawn_evenly() -> None:
    sampler = WindowSampler([50, 20, 35], 6, 10, seed=1)
    counts = Counter(w for step in range(3 * 90 // 10) for w in sampler.batch(step))
    assert max(counts.values()) <= 4
    assert len(counts) == 90


def test_millions_of_windows_cost_nothing() -> None:
    tracemalloc.start()
    try:
        sampler = WindowSampler(np.full(100_000, 1000), 16, 64, seed=0)
        assert sampler.num_windows == 98_500_000
        for step in range(0, 10**9, 10**7):
            sampler.batch(step)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20  # a byte a window would be three times that
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "bad",
    [
        {"num_frames": 0},
        {"batch_size": 0},
        {"stride": 0},
        {"rank": 2, "world_size": 2},
        {"rank": -1},
    ],
)
def test_arguments_out_of_range_are_refused(bad: dict) -> None:
    with pytest.raises(UserError, match="windows"):
        WindowSampler(**({"lengths": [20], "num_frames": 4, "batch_size": 2, "seed": 0} | bad))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100))
def test_arrays_and_pairs_are_the_same(seed: int) -> None:
    sampler = WindowSampler([30, 5, 9], 5, 6, seed)
    episodes, starts = sampler.batch_arrays(seed)
    assert sampler.batch(seed) == list(zip(episodes.tolist(), starts.tolist(), strict=True))
    assert (episodes.dtype, starts.dtype) == (np.int64, np.int64)
