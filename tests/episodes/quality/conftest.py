"""Data sets of episodes that tests make up."""

import pytest

from episodes.quality.walks import NAMES, SIDE
from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter


@pytest.fixture
def written(tmp_path):
    """Writes episodes into a data set and opens it."""

    def write(episodes, names=NAMES, created_by=None):
        with DatasetWriter(tmp_path / "data", DatasetSpec("data", SIDE, names, created_by or {})) as writer:
            for one in episodes:
                writer.append(one)
        return Dataset.open(tmp_path / "data")

    return write
