"""The token cache holds the tokens of exactly these episodes by exactly this tokenizer, and goes on where it
was killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genieredux
from genieredux.episodes import Dataset, DatasetWriter, TokenCache, WindowSampler
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_dataset, fake_episode, fake_spec
from genieredux.errors import UserError


def encode(frames: np.ndarray) -> np.ndarray:
    """A tokenizer whose tokens are the mean reds of a 2x4 grid of patches."""
    b, t, h, w, _ = frames.shape
    return frames[..., 0].reshape(b, t, 2, h // 2, 4, w // 4).astype(np.int64).mean((3, 5)).astype(np.int64)


def encode_position_too(frames: np.ndarray) -> np.ndarray:
    """A tokenizer that, like a causal one, knows where in its clip a frame is."""
    return encode(frames) * 100 + np.arange(frames.shape[1])[None, :, None, None]


class Counting:
    """An encoder that remembers the shapes it was asked for, and stops by Ctrl-C after some calls."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.stop_after = stop_after

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        if self.stop_after is not None and len(self.shapes) >= self.stop_after:
            raise KeyboardInterrupt
        self.shapes.append(frames.shape)
        return encode(frames)


@settings(deadline=None, max_examples=15)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    clip_frames=st.integers(1, 20),
    batch_clips=st.integers(1, 9),
    shard_frames=st.integers(1, 100),
    memory_map=st.booleans(),
)
def test_cached_tokens_are_those_of_the_frames(
    tmp_path_factory,
    lengths: list[int],
    clip_frames: int,
    batch_clips: int,
    shard_frames: int,
    memory_map: bool,
) -> None:
    dataset = fake_dataset(tmp_path_factory.mktemp("tokens"), lengths=tuple(lengths))
    TokenCache.build(dataset, encode_position_too, "t", clip_frames, batch_clips, shard_frames)
    cache = TokenCache.open(dataset, "t", memory_map=memory_map)
    assert len(cache) == len(dataset)
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        expected = encode(episode.frames[None])[0] * 100
        expected += (np.arange(len(episode)) % clip_frames)[:, None, None]
        assert np.array_equal(cache.episode(i), expected)
        first = cache.offsets[i]
        assert np.array_equal(cache.actions[first : first + len(episode) - 1], episode.actions)


def test_token_windows_are_the_tokens_of_the_frame_windows(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    cache = TokenCache.build(dataset, encode, "t")
    sampler = WindowSampler(dataset.lengths, 9, 6, seed=2)
    for step in range(8):
        windows = sampler.batch_arrays(step)
        tokens, token_actions = cache.windows(*windows, 9)
        frames, actions = dataset.windows(*windows, 9)
        assert (tokens.dtype, tokens.shape) == (np.int64, (6, 9, 2, 4))
        assert (actions.dtype, actions.shape) == (np.int64, (6, 8))
        assert np.array_equal(tokens, encode(frames))
        assert np.array_equal(token_actions, actions)


def test_a_framewise_tokenizer_goes_on_with_clips_of_any_length(tmp_path) -> None:
    small = fake_dataset(tmp_path, lengths=(20, 21))
    TokenCache.build(small, encode, "t", clip_frames=8)
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        writer.append(fake_episode(22, seed=7))
    grown, counting = Dataset.open(tmp_path), Counting()
    with pytest.raises(UserError, match="clips of 8"):
        TokenCache.build(grown, encode, "t", clip_frames=5)
    cache = TokenCache.build(grown, counting, "t", clip_frames=5, framewise=True)
    assert cache.spec.clip_frames == 8
    assert sum(shape[0] for shape in counting.shapes) == 3  # of the new episode alone
    for i in range(3):
        assert np.array_equal(cache.episode(i), encode(grown.frames(i)[None])[0])


def test_windows_that_leave_their_episode_are_refused(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(10, 12))
    cache = TokenCache.build(dataset, encode, "t")
    for start in (-1, int(dataset.lengths[0]) - 3):
        with pytest.raises(IndexError):
            cache.windows(np.array([0]), np.array([start]), 4)


def test_the_encoder_is_fed_full_batches_and_told_of_progress(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(40, 3, 17, 64, 16))  # 3 + 1 + 2 + 4 + 1 clips
    counting, progress = Counting(), []
    TokenCache.build(dataset, counting, "t", 16, 4, progress=lambda *p: progress.append(p))
    assert counting.shapes == [(4, 16, 16, 16, 3)] * 2 + [(3, 16, 16, 16, 3)]
    assert progress[-1] == (140, 140)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    again = Counting()
    TokenCache.build(dataset, again, "t")
    assert again.shapes == []


def test_an_interrupted_build_goes_on_and_is_not_taken_for_finished(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(30,) * 6)
    first = Counting(stop_after=5)
    with pytest.raises(KeyboardInterrupt):
        TokenCache.build(dataset, first, "t", batch_clips=1, shard_frames=60)
    with pytest.raises(UserError, match="no finished token cache"):
        TokenCache.open(dataset, "t")
    second = Counting()
    cache = TokenCache.build(dataset, second, "t", batch_clips=1, shard_frames=60)
    assert len(second.shapes) == 12 - 4  # the first shard's four clips were done
    for i in range(6):
        assert np.array_equal(cache.episode(i), encode(dataset.frames(i)[None])[0])


DIE = """
import os, signal, sys
import numpy as np
from genieredux.episodes import Dataset, TokenCache
calls = []
def encode(frames):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return frames[:, :, ::8, ::4, 0].astype(np.int64)
TokenCache.build(Dataset.open(sys.argv[1]), encode, "t", batch_clips=1, shard_frames=32)
"""


def test_kill_9_during_a_build(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(30,) * 4)
    env = {**os.environ, "PYTHONPATH": str(Path(genieredux.__file__).parents[1])}
    died = subprocess.run([sys.executable, "-c", DIE, str(tmp_path)], env=env, check=False)
    assert died.returncode == -signal.SIGKILL
    with pytest.raises(UserError, match="no finished token cache"):
        TokenCache.open(dataset, "t")
    cache = TokenCache.build(dataset, lambda f: f[:, :, ::8, ::4, 0].astype(np.int64), "t")
    assert np.array_equal(cache.episode(3), dataset.frames(3)[:, ::8, ::4, 0])
    assert list(tmp_path.rglob(".*.unfinished-*")) == []


def test_a_grown_data_set_costs_only_what_is_new(tmp_path) -> None:
    small = fake_dataset(tmp_path, lengths=(20, 21))
    TokenCache.build(small, encode, "t")
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        writer.append(fake_episode(22, seed=7))
    grown = Dataset.open(tmp_path)
    with pytest.raises(UserError, match="data set has grown"):
        TokenCache.open(grown, "t")
    assert len(TokenCache.open(small, "t")) == 2
    counting = Counting()
    assert len(TokenCache.build(grown, counting, "t")) == 3
    assert len(counting.shapes) == 1
    assert TokenCache.open(grown.select(seed=7), "t").lengths.tolist() == [22]


def test_a_compacted_or_copied_data_set_keeps_its_tokens(tmp_path) -> None:
    TokenCache.build(fake_dataset(tmp_path / "data"), encode, "t")
    compact(tmp_path / "data")
    dataset = Dataset.open(tmp_path / "data")
    assert len(TokenCache.open(dataset, "t")) == len(dataset)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "data"), "/bucket/data", recursive=True)
    try:
        remote = TokenCache.open(Dataset.open("memory://bucket/data"), "t")
        assert np.array_equal(remote.tokens, TokenCache.open(dataset, "t").tokens)
        with pytest.raises(UserError, match="local folder"):
            TokenCache.build(Dataset.open("memory://bucket/data"), encode, "other")
        elsewhere = TokenCache.build(Dataset.open("memory://bucket/data"), encode, "t", path=tmp_path / "here")
        assert np.array_equal(remote.tokens, elsewhere.tokens)
    finally:
        memory.rm("/bucket", recursive=True)


def test_tokens_of_other_content_are_refused_and_made_anew(tmp_path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path, seed in ((one, 1), (other, 2)):
        with DatasetWriter(path, fake_spec()) as writer:
            writer.append(fake_episode(20, seed=seed, id="same"))
    TokenCache.build(Dataset.open(one), encode, "t", path=tmp_path / "cache")
    with pytest.raises(UserError, match="other content"):
        TokenCache.open(Dataset.open(other), "t", path=tmp_path / "cache")
    cache = TokenCache.build(Dataset.open(other), encode, "t", path=tmp_path / "cache")
    assert np.array_equal(cache.episode(0), encode(Dataset.open(other).frames(0)[None])[0])


def test_a_cache_of_another_tokenizer_is_refused(tmp_path) -> None:
    dataset = fake_dataset(tmp_path)
    TokenCache.build(dataset, encode, "a", path=tmp_path / "cache")
    with pytest.raises(UserError, match="wanted b"):
        TokenCache.open(dataset, "b", path=tmp_path / "cache")
    with pytest.raises(UserError, match="not of b"):
        TokenCache.build(dataset, encode, "b", path=tmp_path / "cache")
    with pytest.raises(UserError, match="clips of 8"):
        TokenCache.build(dataset, encode, "a", clip_frames=8, path=tmp_path / "cache")
    with pytest.raises(UserError, match="tokenizer id"):
        TokenCache.open(dataset, "../a")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda f: encode(f)[:, :-1],
        lambda f: encode(f).astype(np.float32),
        lambda f: encode(f)[..., 0],
        lambda f: encode(f) - 300,
        lambda f: encode(f) + 2**32,
    ],
)
def test_what_is_no_token_is_refused(tmp_path, wrong) -> None:
    dataset = fake_dataset(tmp_path)
    with pytest.raises(UserError, match="tokenizer t"):
        TokenCache.build(dataset, wrong, "t")
    with pytest.raises(UserError, match="no finished"):
        TokenCache.open(dataset, "t")


def test_a_changed_grid_is_refused(tmp_path) -> None:
    TokenCache.build(fake_dataset(tmp_path, lengths=(20,)), encode, "t")
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        writer.append(fake_episode(22, seed=7))
    with pytest.raises(UserError, match="grid"):
        TokenCache.build(Dataset.open(tmp_path), lambda f: encode(f)[..., :2], "t")


def test_large_vocabularies_fit(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(20, 21))
    small = TokenCache.build(dataset, encode, "small")
    large = TokenCache.build(dataset, lambda f: encode(f) + 100_000, "large")
    assert (small.tokens.dtype, large.tokens.dtype) == (np.int16, np.int32)
    assert np.array_equal(large.tokens, small.tokens + np.int32(100_000))


@pytest.mark.parametrize("name", ["complete.json", "shard-00000.parquet"])
def test_a_truncated_cache_is_named(tmp_path, name: str) -> None:
    dataset = fake_dataset(tmp_path)
    TokenCache.build(dataset, encode, "t")
    path = tmp_path / "tokens" / "t" / name
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size // 2)
    with pytest.raises(UserError, match=name):
        TokenCache.open(dataset, "t")
