"""What a training leaves when its learner is killed, or its disk is full: all that was finished, and it goes on from it
to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

import genieredux
from genieredux.agent57.run import train
from genieredux.models.checkpoint import load_model
from genieredux.runs import RunFolder

PATHS = [Path(genieredux.__file__).parents[1], Path(__file__).parents[1] / "reliability"]

CHILD = """
import os, signal, sys
from pathlib import Path
from faults import Fault, install
from genieredux.agent57.learner import AgentLearner
from genieredux.cli.main import run

how, folder, *words = sys.argv[1:]
step = AgentLearner.step

def struck(self, k, elapsed):
    if k == 6 and how == "kill":
        print(*self.crew.pids(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if k == 6:
        install(Fault("ENOSPC", 1, lasting=True), Path(folder))
    return step(self, k, elapsed)

AgentLearner.step = struck
sys.exit(run(["agent57", "train", *words]))
"""


def typed(cfg):
    """The settings of the tiny job as a user would type them."""
    options = ", ".join(f"{key}: {value}" for key, value in cfg.env.options.items())
    words = [f"run_name={cfg.run_name}", f"checkpoints_dpath={cfg.checkpoints_dpath}"]
    words += [f"env.game={cfg.env.game}", f"env.options={{{options}}}"]
    for name in ("agent", "actors", "replay", "learn", "train", "eval"):
        plain = {key: value for key, value in vars(getattr(cfg, name)).items() if isinstance(value, int | float | str)}
        words += [f"{name}.{key}={value}" for key, value in plain.items()]
    return words


def struck(cfg, how):
    """The job in a process of its own, which that happens to at update 6, after a save at 4."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, how, str(cfg.folder), *typed(cfg)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def goes_on_to_the_bit(make_config, cfg):
    """A run that was struck, gone on with, ends as one that nothing happened to."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole, again = train(make_config(run_name="whole")), train(cfg)
    finally:
        torch.set_num_threads(threads)
    assert [record["step"] for record in RunFolder(cfg.folder).records("resume")] == [4]
    one, other = (load_model(result.model_path).state_dict for result in (whole, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not list(cfg.folder.glob(".*unfinished*"))


def test_a_learner_that_is_killed_goes_on_and_its_actors_end(make_config):
    cfg = make_config(run_name="struck", actors={"processes": 1})
    child = struck(cfg, "kill")
    assert child.returncode == -signal.SIGKILL, child.stderr[-3000:]
    assert sorted(path.name for path in cfg.folder.glob("*-*.pt")) == ["model-4.pt", "state-4.pt"]
    actor, deadline = int(child.stdout), time.monotonic() + 30
    while Path(f"/proc/{actor}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{actor}").exists()
    goes_on_to_the_bit(make_config, cfg)


def test_a_full_disk_is_one_line_and_loses_nothing_that_was_saved(make_config):
    cfg = make_config(run_name="struck")
    child = struck(cfg, "full")
    assert child.returncode == 2, child.stderr[-3000:]
    errors = [line for line in child.stderr.splitlines() if line.startswith("genieredux: error:")]
    assert len(errors) == 1
    assert "disk is full" in errors[0]
    assert "Traceback" not in child.stderr
    assert sorted(path.name for path in cfg.folder.glob("*-*.pt")) == ["model-4.pt", "state-4.pt"]
    goes_on_to_the_bit(make_config, cfg)
