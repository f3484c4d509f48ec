"""Evaluation clips are few per episode and always the same; `describe` counts right."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from genieredux.episodes import TokenCache, describe
from genieredux.episodes.alignment import num_actions
from genieredux.episodes.clips import choose_clips, clips
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import PLACES, fake_dataset, fake_places
from genieredux.episodes.reader import Dataset
from genieredux.errors import UserError


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=10),
    num_clips=st.integers(1, 20),
    num_frames=st.integers(1, 20),
    per_episode=st.integers(1, 4),
    seed=st.integers(0, 2**40),
)
def test_clips_are_spread_and_do_not_overlap(
    tmp_path_factory, lengths: list[int], num_clips: int, num_frames: int, per_episode: int, seed: int
) -> None:
    room = sum(min(n // num_frames, per_episode) for n in lengths)
    assume(num_clips <= room)
    dataset = fake_dataset(tmp_path_factory.mktemp("clips"), lengths=tuple(lengths))
    found = clips(dataset, None, num_clips, num_frames, seed, per_episode)
    assert found.frames.shape == (num_clips, num_frames, 16, 16, 3)
    assert found.actions.shape == (num_clips, num_actions(num_frames))
    assert len(found) == len(found.episode_ids) == len(found.starts) == num_clips
    places = fake_places(found.frames)
    assert np.array_equal((places[:, :-1] + found.actions) % PLACES, places[:, 1:])
    counts = Counter(found.episode_ids.tolist())
    least = min(
        counts[name] for name in dataset.ids if _room(dataset, name, num_frames, per_episode) >= max(counts.values())
    )
    assert max(counts.values()) - least <= 1
    assert max(counts.values()) <= per_episode
    for name in counts:
        starts = found.starts[found.episode_ids == name]
        assert np.all(np.diff(starts) >= num_frames)
        assert starts[0] >= 0
        assert starts[-1] + num_frames <= dataset.lengths[dataset.ids.index(name)]


def _room(dataset: Dataset, name: str, num_frames: int, per_episode: int) -> int:
    return min(int(dataset.lengths[dataset.ids.index(name)]) // num_frames, per_episode)


def test_clips_are_the_same_for_the_same_seed_however_the_files_lie(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(50,) * 12)
    first = clips(dataset, "train", 15, 8, seed=1)
    compact(tmp_path)
    second = clips(Dataset.open(tmp_path), "train", 15, 8, seed=1)
    assert np.array_equal(first.frames, second.frames)
    assert np.array_equal(first.episode_ids, second.episode_ids)
    other = clips(dataset, "train", 15, 8, seed=2)
    assert not np.array_equal(first.starts, other.starts)
    test_ids = set(dataset.select(split="test").ids)
    assert not test_ids & set(first.episode_ids)


def test_too_many_clips_are_refused(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(20, 7))
    with pytest.raises(UserError, match="2 episodes give 2 at 4"):
        clips(dataset, None, 3, 10, seed=0)
    with pytest.raises(UserError, match="no episode with"):
        clips(dataset, "validation", 1, 10, seed=0)
    with pytest.raises(UserError, match="1 or more"):
        choose_clips(dataset, 0, 10, seed=0)


def test_describe_counts_what_is_there(tmp_path) -> None:
    dataset = fake_dataset(tmp_path, lengths=(40, 3, 17, 64, 16))
    TokenCache.build(dataset, lambda f: np.zeros((*f.shape[:2], 1, 1), np.int64), "zeros")
    info = describe(Dataset.open(tmp_path))
    played = [dataset.episode(i) for i in range(5)]
    actions = np.concatenate([episode.actions for episode in played])
    assert (info.episodes, info.frames, info.image_size) == (5, 140, 16)
    assert info.lengths == (3, 16, 17, 40, 64)
    assert info.splits == {"test": (1, 16), "train": (4, 124)}
    assert info.policies == {"random": (5, 140)}
    assert info.games == {"fake-game": (5, 140)}
    assert info.levels == 5
    assert info.ended == pytest.approx(2 / 5)
    assert list(info.actions) == ["STAY", "STEP", "JUMP"]
    assert info.actions["JUMP"] == pytest.approx(np.mean(actions == 2))
    assert info.returns[2] == max(episode.rewards.sum() for episode in played)
    assert 0 < info.bytes_per_frame < 768
    assert info.token_caches == ("zeros",)


def test_describe_reads_well(tmp_path) -> None:
    text = describe(fake_dataset(tmp_path)).to_text()
    for word in ("5  (5 levels", "140  (16x16)", "train: 4 episodes, 124 frames", "JUMP", "bytes a frame"):
        assert word in text
    assert max(len(line) for line in text.splitlines()) < 160


def test_describe_folds_many_games_into_one_line(tmp_path) -> None:
    from genieredux.episodes.info import _top

    counts = {f"game-{i}": (1, i) for i in range(30)}
    top = _top(counts)
    assert len(top) == 13
    assert top[0] == ("game-29", (1, 29))
    assert top[-1] == ("18 more", (18, sum(range(18))))
