"""A job trained by several processes, called from anywhere: the numbers of one, again and again, and one line where one
of them fails."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.episodes import DatasetSpec, DatasetWriter, Episode
from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.training import JobConfig, OptimizerConfig, TrainConfig, train
from genieredux.training.machine import crew as module
from genieredux.training.machine.crew import crew

FOLLOW = "genieredux.training.run:follow"


def write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder / "noise", DatasetSpec("noise", 16, ("A", "B")))
    for index, length in enumerate((9, 12, 10, 14)):
        frames = rng.integers(0, 256, (length, 16, 16, 3), dtype=np.uint8)
        actions, rewards = rng.integers(0, 2, length - 1), np.zeros(length - 1, np.float32)
        writer.append(Episode(frames, actions, rewards, terminated=True, truncated=False, seed=index, split="train"))
    writer.finish()


def job(folder: Path, name: str, processes: int, *, accum: int = 1, steps: int = 3, kind: str = "adamw") -> JobConfig:
    settings = TrainConfig(
        dataset_root_dpath=str(folder),
        dataset_name="noise",
        num_frames=5,
        batch_size=8 // processes // accum,
        grad_accum=accum,
        num_processes=processes,
        num_train_steps=steps,
        save_model_every=1_000,
        validate_every=1_000,
        log_every=1,
        max_valid_size=4,
        precision="32",
        accelerator="cpu",
        tensorboard=False,
        samples=0,
    )
    dynamics = {"architecture": "canvas", "image_size": 16, "width": 8, "blocks": 1, "motion_width": 16, "margin": 8}
    dynamics |= {"codebook_size": 12, "actor": 4, "actor_width": 16, "painted": 0.5, "chains": [2]}
    dynamics |= {"dreamt": 0.5, "continued": 4}
    return JobConfig(
        model="genie_redux_guided",
        run_name=name,
        checkpoints_dpath=str(folder / "checkpoints"),
        train=settings,
        dynamics=dynamics,
        optimizer=OptimizerConfig(1e-3, kind=kind),
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_two_processes_and_micro_batches_learn_what_one_process_learns(tmp_path: Path, kind: str) -> None:
    """From Python, one after another in the same process: codebook, actor's place, losses and weights."""
    write_data(tmp_path)
    before, threads = dict(os.environ), torch.get_num_threads()
    counts = {"one": (1, 1), "two": (2, 1), "both": (2, 2)}
    jobs = [job(tmp_path, name, count, accum=accum, kind=kind) for name, (count, accum) in counts.items()]
    results = [train(one) for one in jobs]
    assert (dict(os.environ), torch.get_num_threads()) == (before, threads)
    losses = [[record["loss"] for record in result.history if record["event"] == "train"] for result in results]
    assert len(losses[0]) == 3
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[2] == pytest.approx(losses[0], rel=1e-4)
    one, two, both = (load_model(result.model_path).state_dict for result in results)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-3, msg=name)
        torch.testing.assert_close(both[name], value, atol=1e-4, rtol=1e-3, msg=name)


def test_what_another_process_could_not_do_is_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NOTICE", 60.0)
    before = dict(os.environ)
    lost = job(tmp_path / "nowhere", "lost", 2)
    ranks = []

    def fail() -> None:
        with crew(2, FOLLOW, lost):
            ranks.extend((os.environ["WORLD_SIZE"], os.environ["LOCAL_RANK"]))
            raise RuntimeError("connection closed by peer")

    with pytest.raises(UserError, match="nowhere"):
        fail()
    assert ranks == ["2", "0"]
    assert dict(os.environ) == before


def test_nothing_is_started_for_one_process_or_under_a_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with crew(1, "genieredux.nowhere:nothing", None):
        assert dict(os.environ) == before
    monkeypatch.setenv("WORLD_SIZE", "4")
    before = dict(os.environ)
    with crew(4, "genieredux.nowhere:nothing", None):
        assert dict(os.environ) == before


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_training_in_a_line(tmp_path: Path) -> None:
    write_data(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from pathlib import Path\nfrom test_crew import job\nfrom genieredux.errors import UserError\n"
        "from genieredux.training import train\n"
        f"try:\n    train(job(Path({str(tmp_path)!r}), 'killed', 2, steps=100_000))\n"
        "except UserError as error:\n    print(error)\n    sys.exit(2)\n"
    )
    training = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log = tmp_path / "checkpoints/genie_redux_guided/killed/log.jsonl"
    end = time.monotonic() + 120
    while not (log.is_file() and '"event": "train"' in log.read_text()):
        assert time.monotonic() < end
        assert training.poll() is None
        time.sleep(0.2)
    children = Path(f"/proc/{training.pid}/task").glob("*/children")
    others = [int(pid) for listed in children for pid in listed.read_text().split()]
    other = next(pid for pid in others if "child.py" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(other, signal.SIGKILL)
    said, _ = training.communicate(timeout=60)
    assert training.returncode == 2, said
    assert re.search(r"process 1 of the training died \(SIGKILL\)", said), said
    assert "Traceback" not in said
