from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from genieredux.episodes import Dataset, DatasetWriter
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_episode, fake_spec
from genieredux.errors import UserError
from genieredux.evaluation import Clips, cut_clips
from genieredux.evaluation.clips.testsets import describe_data, splits_to_test


@dataclass
class Cut:
    frames: np.ndarray
    actions: np.ndarray


class Source:
    """Episodes whose pixel and action values say which frame of which episode they are."""

    def __init__(self, lengths):
        self.lengths = np.asarray(lengths)
        self.index = pa.table(
            {
                "id": [f"episode-{i}" for i in range(len(lengths))],
                "game": pa.array([f"game-{i % 2}" for i in range(len(lengths))], pa.string()),
                "console": pa.array(["Nes"] * len(lengths), pa.string()),
                "tags": pa.array([["side", "pl"]] * len(lengths), pa.list_(pa.string())),
                "policy": pa.array(["random"] * len(lengths), pa.string()),
                "split": pa.array(["test"] * len(lengths), pa.string()),
            }
        )

    def clip(self, i, start, stop):
        assert 0 <= start < stop <= self.lengths[i]
        frames = np.zeros((stop - start, 16, 16, 3), np.uint8)
        frames[..., 0] = np.arange(start, stop)[:, None, None]
        frames[..., 1] = i
        return Cut(frames, np.arange(start, stop - 1))


def test_windows_are_whole_and_aligned():
    clips = cut_clips(Source([50, 11, 12, 100]), length=12, max_clips=1000, step=20)
    assert np.bincount(clips.episodes).tolist() == [2, 0, 1, 5]
    assert (clips.frames[:, :, 0, 0, 1] == clips.episodes[:, None]).all()
    starts = clips.frames[:, 0, 0, 0, 0].astype(int)
    assert (starts % 20 == 0).all()
    assert (clips.frames[:, :, 0, 0, 0] == starts[:, None] + np.arange(12)).all()
    assert (clips.actions == starts[:, None] + np.arange(11)).all()
    for episode, start, origin in zip(clips.episodes, starts, clips.origins, strict=True):
        assert (origin.episode, origin.start) == (f"episode-{episode}", start)
        assert (origin.game, origin.tags) == (f"game-{episode % 2}", ("side", "pl"))


def test_few_clips_come_from_many_episodes():
    source = Source([200] * 10)
    assert len(set(cut_clips(source, 12, max_clips=10).episodes)) == 10
    assert np.bincount(cut_clips(source, 12, max_clips=15).episodes).max() == 2
    first, again, other = (cut_clips(source, 12, 7, seed=seed) for seed in (0, 0, 1))
    assert (first.frames == again.frames).all()
    assert not np.array_equal(first.frames, other.frames)


def test_too_short_episodes_are_named():
    with pytest.raises(UserError, match=r"of test.held is .* clips need 12 frames .* longest of 2 episodes has 9"):
        cut_clips(Source([9, 3]), 12, 10, name="test.held")
    with pytest.raises(UserError, match="of 0 episodes"):
        cut_clips(Source([]), 12, 10)


def test_misaligned_clips_are_refused():
    frames = np.zeros((2, 5, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="need actions"):
        Clips(frames, np.zeros((2, 5), np.int64), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="uint8"):
        Clips(frames.astype(np.float32), np.zeros((2, 4), np.int64), np.zeros(2, np.int64))


def test_a_hash_says_whether_two_clips_are_the_same():
    clips, again = (cut_clips(Source([60, 60]), 14, 10) for _ in range(2))
    assert clips.hashes(12) == again.hashes(12)
    assert len(set(clips.hashes(12))) == len(clips)
    again.frames[0, 13] = 255
    assert clips.hashes(12)[0] == again.hashes(12)[0]  # beyond what is used
    again.actions[0, 10] += 1
    assert clips.hashes(12)[0] != again.hashes(12)[0]


def test_a_data_set_is_known_by_what_is_in_its_episodes(tmp_path: Path) -> None:
    def described(name: str, *seeds: int) -> str:
        with DatasetWriter(tmp_path / name / "data", fake_spec()) as writer:
            for number, seed in enumerate(seeds):
                writer.append(fake_episode(5, seed=seed, id=f"episode-{number}"))
        return describe_data(Dataset.open(tmp_path / name / "data"))["checksum"]

    first = described("one", 1, 2)
    assert described("copy", 1, 2) == first
    assert described("other frames", 1, 3) != first
    assert described("other ids", 2, 1) != first
    assert described("fewer", 1) != first
    compact(tmp_path / "one" / "data")
    assert describe_data(Dataset.open(tmp_path / "one" / "data"))["checksum"] == first


def test_a_split_is_its_name_and_its_parts_not_whatever_begins_alike():
    names = ["train", "test", "test.held", "tester", "test2"]
    dataset = SimpleNamespace(path="d", index=pa.table({"split": names}))
    assert splits_to_test(dataset, "test") == ["test", "test.held"]
