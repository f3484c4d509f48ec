"""Small collections to run, and how to compare two data sets byte by byte."""

from pathlib import Path

import pytest

from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig


def _files_of(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def files_of():
    """Gives every file of the data set in a folder: relative path -> bytes."""
    return _files_of


@pytest.fixture
def small(tmp_path):
    """Builds the configuration of a small collection of the fake game; keywords are connector fields."""

    def build(root="data", seed=0, workers=1, sessions=6, **connector):
        values = {
            "name": "fake",
            "kind": "fake",
            "games": ("Fake",),
            "generator_config": GeneratorConfig(n_instances=3, n_sessions=sessions, n_steps_max=40, n_workers=workers),
            "splits": (SplitConfig("train"), SplitConfig("test.held", "held", start_level=100, n_sessions=1)),
            **connector,
        }
        return CollectConfig(ConnectorConfig(**values), root=str(tmp_path / root), seed=seed)

    return build
