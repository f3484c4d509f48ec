import numpy as np
import pytest
import torch

from genieredux.episodes import Dataset
from genieredux.episodes.compact import compact
from genieredux.episodes.fake import fake_dataset
from genieredux.evaluation.actions.inverse_dynamics import dataset_checksum
from genieredux.evaluation.networks.statistics_cache import StatisticsCache


class Counts:
    """Features of frames, and how often they were computed."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.calls = frames, 0

    def __call__(self) -> torch.Tensor:
        self.calls += 1
        return torch.from_numpy(self.frames.reshape(len(self.frames), -1).astype(np.float32))


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 4, 8, 8, 3), dtype=np.uint8)


def test_computed_once(tmp_path, frames):
    compute = Counts(frames)
    found = [StatisticsCache(tmp_path).features(frames, "net", compute) for _ in range(3)]
    assert compute.calls == 1
    assert all(torch.equal(features, compute()) for features in found)


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: (frames[:2], "net"),
        lambda frames: (frames[::-1], "net"),
        lambda frames: (frames.reshape(3, 2, 16, 8, 3), "net"),
        lambda frames: (np.where(frames == frames.max(), 0, frames).astype(np.uint8), "net"),
        lambda frames: (frames, "net-nearest"),
    ],
)
def test_other_frames_or_another_network_are_another_key(tmp_path, frames, change):
    cache = StatisticsCache(tmp_path)
    assert cache.path(*change(frames)) != cache.path(frames, "net")
    assert cache.path(frames.copy(order="F"), "net") == cache.path(frames, "net")


def test_a_damaged_file_is_computed_again(tmp_path, frames, caplog):
    cache, compute = StatisticsCache(tmp_path / "deep" / "folder"), Counts(frames)
    cache.features(frames, "net", compute)
    path = cache.path(frames, "net")
    path.write_bytes(path.read_bytes()[:10])
    torch.testing.assert_close(cache.features(frames, "net", compute), compute())
    assert "computing it again" in caplog.text
    cache.features(frames, "net", compute)
    assert compute.calls == 3  # one is the comparison's own


def test_an_interrupted_computation_leaves_nothing(tmp_path, frames):
    def interrupted() -> torch.Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        StatisticsCache(tmp_path).features(frames, "net", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_the_users_cache_is_the_default(tmp_path, monkeypatch, frames):
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path))
    assert StatisticsCache().path(frames, "net").parent == tmp_path / "metrics" / "statistics"
    monkeypatch.delenv("GENIEREDUX_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert StatisticsCache().folder == tmp_path / "xdg" / "genieredux" / "metrics" / "statistics"


def test_a_data_sets_checksum_is_of_its_episodes(tmp_path):
    dataset = fake_dataset(tmp_path / "set")
    checksum = dataset_checksum(dataset)
    assert dataset_checksum(dataset.take([4, 2, 0, 1, 3])) == checksum
    assert dataset_checksum(fake_dataset(tmp_path / "copy")) == checksum
    assert dataset_checksum(dataset.take([0, 1])) != checksum
    assert dataset_checksum(fake_dataset(tmp_path / "longer", (40, 3, 17, 64, 17))) != checksum
    compact(tmp_path / "set")
    assert dataset_checksum(Dataset.open(tmp_path / "set")) == checksum
