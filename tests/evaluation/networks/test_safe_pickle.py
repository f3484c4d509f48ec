import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from genieredux.errors import UserError
from genieredux.evaluation.networks.safe_pickle import read_arrays


class _Calls:
    """What a hostile pickle does: it has the reader call something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def write(path: Path, value: object) -> Path:
    path.write_bytes(pickle.dumps(value))
    return path


def test_arrays_come_back(tmp_path):
    tree = {"a": {"b": np.arange(6, dtype=np.float32).reshape(2, 3)}, "c": np.ones(2, np.int64)}
    found = read_arrays(write(tmp_path / "tree.pkl", tree))
    assert sorted(found) == ["a|b", "c"]
    np.testing.assert_array_equal(found["a|b"], tree["a"]["b"])


@pytest.mark.parametrize(
    "value",
    [
        {"a": _Calls(os.mkdir, "made")},
        {"a": _Calls(eval, "1 + 1")},
        {"a": _Calls(np.fromfile, "/etc/passwd")},
        {"a": Path("x")},
        {"a": np.array([{"an": "object"}], dtype=object)},
        {"a": "a text"},
        [1, 2],
    ],
)
def test_anything_else_is_refused_and_nothing_is_called(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "bad.pkl", value)
    with pytest.raises(UserError, match="not a pickle of arrays"):
        read_arrays(path)
    assert not (tmp_path / "made").exists()


def test_files_that_are_no_pickle(tmp_path):
    (tmp_path / "text").write_text("hello")
    (tmp_path / "empty").touch()
    whole = write(tmp_path / "whole", {"a": np.ones(1000)}).read_bytes()
    (tmp_path / "half").write_bytes(whole[:300])
    for name in ("text", "empty", "half", "absent"):
        with pytest.raises(UserError, match=name):
            read_arrays(tmp_path / name)
