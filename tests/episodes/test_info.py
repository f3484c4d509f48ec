"""The description of a data set."""

import numpy as np
import pytest

from genieredux.episodes import TokenCache, describe
from genieredux.episodes.fake import fake_dataset
from genieredux.episodes.reader import Dataset


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
