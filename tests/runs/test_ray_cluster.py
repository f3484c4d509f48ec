"""The files of a cluster of one machine: they go with it, and a killed one's go with the next. No Ray is needed."""

import tempfile
from pathlib import Path

from genieredux.runs.backends.ray_cluster import _own_cluster
from genieredux.runs.locks import LOCK, sole_writer


def _folder(*names: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gr-", dir="/tmp"))
    for name in names:
        (folder / name).write_text("")
    return folder


def test_what_a_killed_cluster_left_is_removed_and_nothing_else() -> None:
    killed, living, strange = _folder(LOCK, "socket"), _folder(), _folder("anything")
    try:
        with sole_writer(living), _own_cluster(1) as options:
            own = Path(options["_temp_dir"])
            assert own.is_dir()
            assert not killed.exists()
            with _own_cluster(1):
                assert own.is_dir()
            assert living.is_dir()
            assert [file.name for file in strange.iterdir()] == ["anything"]
        assert not own.exists()
    finally:
        for folder in (living, strange):
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()
