"""Child processes: they answer, end with their parent, and look into the working folder last."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genieredux import own_code
from genieredux.runs.workers import Child, Gone, safe_start, serve, working_folder_last

SOURCE = Path(own_code.__file__).parents[1]
TRAPS = ("random", "queue", "pickle", "socket", "numpy", "cv2")


def echo(pipe, first):
    pipe.send(first)
    for message in serve(pipe):
        if message == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        pipe.send(message)


def paths(pipe):
    pipe.send(sys.path)


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    """A working folder whose modules would end any program that imports them, and one that may be imported."""
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text("import os; os._exit(77)\n")
    (tmp_path / "a_game_here.py").write_text("from genieredux.envs.fake import FakeGame\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_child_answers_and_says_how_it_ended():
    child = Child(f"{__name__}:echo", "hello")
    assert child.receive(60) == "hello"
    child.send([1, 2])
    assert child.receive(60) == [1, 2]
    with pytest.raises(Gone, match="no answer"):
        child.receive(0.05)
    child.send("die")
    with pytest.raises(Gone, match="SIGKILL"):
        child.receive(60)
    child = Child(f"{__name__}:echo", "hello")
    assert child.receive(60) == "hello"
    assert child.end(10.0) == "exit code 0"


def test_a_child_looks_into_the_working_folder_last(working_folder, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", str(working_folder), *sys.path])
    child = Child(f"{__name__}:paths")
    found = child.receive(60)
    child.end(10.0)
    assert found[-1] == str(working_folder)
    assert found.count(str(working_folder)) == 1
    assert "" not in found


def test_processes_of_other_libraries_do_too(working_folder):
    context = multiprocessing.get_context("spawn")
    with safe_start():
        process = context.Process(target=time.sleep, args=(0,))
        process.start()
    process.join(60)
    assert process.exitcode == 0
    assert "PYTHONSAFEPATH" not in os.environ
    assert working_folder_last()[-1] == str(working_folder)


def test_a_collection_is_not_ended_by_what_lies_beside_the_user(working_folder):
    words = ["config=gymnasium", "config.connector.games=[a_game_here:FakeGame]", "root=data"]
    amounts = "config.connector.generator_config={n_sessions: 2, n_steps_max: 5, n_workers: 2}"
    program = [sys.executable, "-P", "-c", "from genieredux.cli.main import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [*program, "generate", *words, amounts], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(working_folder.glob("data/*/episodes/*.parquet"))
