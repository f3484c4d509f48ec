"""A process killed by SIGKILL, whatever it trains: gone on with, it ends as the run that was never stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import toy_jobs
from genieredux.runs import RunFolder
from genieredux.training.loop.saves import Saves
from toy_runs import assert_same_files, without_measurements

CHILD = "import sys, toy_jobs; from pathlib import Path; toy_jobs.run_until_killed(Path(sys.argv[1]), *sys.argv[2:])"
QUICK = {("accumulated", "saving"), ("averaged", "validating")}


def kill_one(base: Path, name: str, moment: str) -> None:
    """Start the job in a process of its own and kill it when it says that the moment has come."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(base), name, moment],
        env={
            **os.environ,
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
            "PYTHONPATH": os.pathsep.join([str(Path(toy_jobs.__file__).parent), os.environ.get("PYTHONPATH", "")]),
        },
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 300
        while not (base / "now").is_file():
            assert process.poll() is None, process.stderr.read().decode()[-3000:]
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL


def cases() -> list[Any]:
    every = [(name, moment) for name in toy_jobs.TOYS for moment in ("validating", "saving")]
    return [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in every]


@pytest.mark.parametrize(("name", "moment"), cases())
def test_killed_and_gone_on_with_equals_uninterrupted(tmp_path: Path, name: str, moment: str) -> None:
    """Weights, averaged weights, optimiser, position, what the log says, and what the checkpoint says of codes."""
    toy_jobs.prepare(tmp_path)
    whole = toy_jobs.run(tmp_path, name, "whole")
    kill_one(tmp_path, name, moment)
    folder = whole.model_path.parent.with_name("killed")
    assert Saves(folder, 5).steps() == [4]  # of the later steps nothing is whole
    assert RunFolder(folder).history("train")[-1]["step"] == 6
    assert (folder / "state-8.pt").is_file() == (moment == "saving")
    again = toy_jobs.run(tmp_path, name, "killed")
    assert [record["step"] for record in RunFolder(folder).records("resume")] == [4]
    assert_same_files(whole.model_path.parent, folder, 10)
    assert without_measurements(again.history) == without_measurements(whole.history)
    assert not list(folder.glob(".*unfinished*"))
    assert {record["event"] for record in again.history} == {"train", "validate", "sample"}
