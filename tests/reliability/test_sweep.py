"""The crash sweep at a stride (docs/reliability.md gives the command of the whole): no fault leaves a mess."""

import subprocess
import sys
from pathlib import Path

import pytest

SWEEP = Path(__file__).with_name("sweep.py")


def swept(*words: str) -> None:
    done = subprocess.run([sys.executable, str(SWEEP), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.mark.parametrize(("scenario", "stride"), [("compact", 31), ("import", 31)])
def test_a_command_that_is_ended_anywhere_is_finished_by_the_next(scenario: str, stride: int) -> None:
    swept(scenario, "--kinds", "kill", "--first", "4", "--stride", str(stride))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["compact", "import"])
def test_files_that_are_cut_are_named_or_mended(scenario: str) -> None:
    swept(scenario, "--truncate")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "stride"),
    [
        *(("training", 300), ("evaluation", 41), ("collection", 31), ("hub", 5), ("takes", 41), ("web", 31)),
        *(("heads", 600), ("auto_explore", 200), ("agent57", 600)),
    ],
)
def test_a_job_that_fails_anywhere_says_so_and_is_finished_by_the_next(scenario: str, stride: int) -> None:
    swept(scenario, "--kinds", "kill,ENOSPC", "--first", "4", "--stride", str(stride))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "stride"),
    [
        *(("compact", 1), ("import", 1), ("collection", 1), ("evaluation", 1), ("hub", 1), ("takes", 1), ("web", 1)),
        *(("training", 7), ("heads", 7), ("auto_explore", 7), ("agent57", 7)),
    ],
)
def test_the_whole_sweep(scenario: str, stride: int) -> None:
    swept(scenario, "--stride", str(stride))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["collection", "training", "evaluation"])
def test_every_file_cut(scenario: str) -> None:
    swept(scenario, "--truncate")
