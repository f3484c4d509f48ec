"""SIGTERM to the whole process group, as schedulers send it: loaders and other processes of the training get it too."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import scenarios

PROGRAM = "from genieredux.cli.main import main\n\nmain()\n"
"""In a file: a training of several processes starts the others by it."""
PATIENCE = 240


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_that_its_group_is_told_to_end_saves_and_goes_on(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scenarios.tokenized()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    more = (
        f"train.num_processes={processes}",
        "train.n_data_workers=2",
        "train.batch_size=1",
        "train.max_valid_size=2",
    )
    words = [*scenarios.DYNAMICS_WORDS, *more]
    endless = [*words, "train.num_train_steps=1000000", "train.save_model_every=1000000"]
    endless += ["train.validate_every=1000000"]
    with (tmp_path / "said.txt").open("w") as said:
        training = subprocess.Popen(
            [sys.executable, program, *endless], stdout=said, stderr=said, start_new_session=True
        )
        log = tmp_path / "checkpoints/genie_redux_guided/w/log.jsonl"
        wait_for(lambda: log.is_file() and '"event": "train"' in log.read_text(), training)
        os.killpg(training.pid, signal.SIGTERM)
        code = training.wait(PATIENCE)
    text = (tmp_path / "said.txt").read_text()
    assert "Traceback" not in text
    assert code == 128 + signal.SIGTERM, text
    assert "go on with" in text
    saved = max(int(path.stem.removeprefix("model-")) for path in log.parent.glob("model-[0-9]*.pt"))
    ends = saved + 2
    again = subprocess.run(
        [sys.executable, program, *words, f"train.num_train_steps={ends}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines() if '"event": "train"' in line]
    assert steps[-2:] == [saved + 1, ends]
    assert len(steps) == ends, "a step is missing or was done twice"


def wait_for(is_so, process: subprocess.Popen) -> None:
    """Until it is so; the process must live till then."""
    while not is_so():
        assert process.poll() is None, "the training ended by itself"
        time.sleep(0.05)
