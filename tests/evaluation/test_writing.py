"""The files of one evaluation come as one, and two evaluations never write one folder."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from genieredux.errors import UserError
from genieredux.evaluation.writing import committed, held_for_writing


def leave(folder: Path, word: str, fail: bool = False) -> None:
    with committed(folder, "results.json") as aside:
        (aside / "clips.parquet").write_text(word)
        if fail:
            raise KeyboardInterrupt
        (aside / "media").mkdir()
        (aside / "media" / "a.gif").write_text(word)
        (aside / "results.json").write_text(word)


def test_a_killed_evaluation_leaves_what_was_there(tmp_path: Path) -> None:
    leave(tmp_path, "first")
    with pytest.raises(KeyboardInterrupt):
        leave(tmp_path, "second", fail=True)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.read_text() for path in files} == {"first"}
    leave(tmp_path, "third")
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"third"}


@pytest.mark.parametrize("broken", range(1, 4))
def test_killed_at_any_rename_there_are_no_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    leave(tmp_path, "first")
    (tmp_path / "report.html").write_text("first")
    replace, calls = os.replace, []

    def dies(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == broken:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        leave(tmp_path, "second")
    assert calls[-1].name == "results.json" or broken < 3
    assert not (tmp_path / "results.json").exists()
    assert not (tmp_path / "report.html").exists()


def test_two_writers_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with held_for_writing(folder):
        with (
            pytest.raises(UserError, match=r"another evaluation is writing to .*run; wait") as caught,
            held_for_writing(folder),
        ):
            pass
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()  # nothing was written
    with held_for_writing(folder):
        leave(folder, "first")
    assert sorted(path.name for path in folder.iterdir()) == ["clips.parquet", "media", "results.json"]


HOLD = """
import sys, time
from pathlib import Path
from genieredux.evaluation.writing import held_for_writing
with held_for_writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
STOP_HALF_WAY = """
import os, sys, time
from pathlib import Path
from genieredux.evaluation.writing import committed, held_for_writing
folder, replace = Path(sys.argv[1]), os.replace
def slowly(source, target):
    replace(source, target)
    print("moved", Path(target).name, flush=True)
    time.sleep(600)
with held_for_writing(folder), committed(folder, "results.json") as aside:
    for name in ("clips.parquet", "results.csv", "results.json"):
        (aside / name).write_text("second")
    os.replace = slowly
"""


@contextmanager
def running(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the code on the folder, after it said its first line; killed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    try:
        assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_another_process_waits_until_the_first_is_dead(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    refused = pytest.raises(UserError, match="another evaluation is writing")
    with running(HOLD, folder), refused, held_for_writing(folder):
        pass
    with held_for_writing(folder):  # it was killed, and the lock went with it
        leave(folder, "mine")
    assert (folder / "results.json").read_text() == "mine"


def test_a_process_killed_between_two_files_leaves_no_results_and_the_next_one_clears_up(tmp_path: Path) -> None:
    leave(tmp_path, "first")
    with running(STOP_HALF_WAY, tmp_path) as process:
        process.kill()
        process.wait()
    assert (tmp_path / "clips.parquet").read_text() == "second"
    assert not (tmp_path / "results.json").exists()
    assert list(tmp_path.glob(".evaluation.unfinished-*"))
    with held_for_writing(tmp_path):
        leave(tmp_path, "third")
    assert (tmp_path / "results.json").read_text() == "third"
    assert not list(tmp_path.glob(".eval*"))
