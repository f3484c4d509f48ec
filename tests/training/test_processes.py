"""Several processes: the losses of one at the same global batch, one writer, whole checkpoints, split or not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from genieredux.models.checkpoint import load_model, read_tensors

SCRIPT = """
import json, sys, torch
from pathlib import Path
from genieredux.models.st_tokenizer import STTokenizer, STTokenizerConfig
from genieredux.runs import RunFolder
from genieredux.training import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.devices import make_fabric
from genieredux.training.recorder import Sample
from genieredux.training.sources import frame_sources
from genieredux.episodes import Dataset

settings = json.loads(sys.argv[1])
processes, steps = settings["processes"], settings["steps"]
cfg = TrainConfig(batch_size=4 // processes // settings["accum"], grad_accum=settings["accum"], num_train_steps=steps,
                  log_every=1, save_model_every=3, validate_every=3, max_valid_size=4, num_frames=3,
                  precision="32", accelerator="cpu", num_processes=processes, tensorboard=False,
                  strategy=settings["strategy"], ema_decay=0.9)
fabric = make_fabric(cfg)
dataset = Dataset.open(settings["data"])
data, held_out = frame_sources(dataset, dataset, cfg, fabric.global_rank, fabric.world_size)
torch.manual_seed(0)
model = STTokenizer(STTokenizerConfig(image_size=16, patch_size=4, dim=16, blocks=2, heads=2, dim_head=8,
                                      codebook_size=16, codebook_dim=4, quantizer="ema"))

def look(model, step):
    frames = held_out.batch(1, 0).frames[:1].float() / 255
    return Sample({"error": float((model.decode(model.encode(frames)) - frames).square().mean())})

result = fit(model, data, cfg, RunFolder(settings["folder"]), validation=held_out, fabric=fabric, on_sample=look,
             optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 3), cosine=CosineConfig(100, 1e-3)))
if fabric.is_global_zero:
    print("HISTORY", json.dumps(result.history))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """(processes, strategy, accum, folder, steps) -> the history of a run of six steps on ten uneven episodes."""
    base = tmp_path_factory.mktemp("processes")
    script = base / "train.py"
    script.write_text(SCRIPT)
    write_uneven(base / "data")

    def run(folder: str, processes: int, strategy: str = "ddp", accum: int = 1, steps: int = 6) -> list[dict[str, Any]]:
        settings = {"processes": processes, "strategy": strategy, "accum": accum, "steps": steps}
        settings |= {"folder": str(base / folder), "data": str(base / "data")}
        done = subprocess.run(
            [sys.executable, str(script), json.dumps(settings)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        line = next(line for line in done.stdout.splitlines() if line.startswith("HISTORY"))
        return json.loads(line.removeprefix("HISTORY"))

    run.base = base  # type: ignore[attr-defined]
    return run


def write_uneven(folder: Path) -> None:
    """Episodes of 3 to 7 frames: 15 windows of 3 frames, which neither 2 processes nor batches of 4 divide."""
    import numpy as np

    from genieredux.episodes import DatasetSpec, DatasetWriter, Episode

    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder, DatasetSpec("uneven", 16, ("A", "B")))
    for index, length in enumerate((3, 4, 5, 6, 7)):
        frames = rng.integers(0, 256, (length, 16, 16, 3), dtype=np.uint8)
        actions, rewards = np.zeros(length - 1, int), np.zeros(length - 1, np.float32)
        writer.append(Episode(frames, actions, rewards, terminated=True, truncated=False, seed=index, split="train"))
    writer.finish()


def losses(history: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    return [(record["event"], record["step"], record.get("loss", record.get("error"))) for record in history]


def assert_close(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert [record[:2] for record in losses(one)] == [record[:2] for record in losses(other)]
    values = [[record[2] for record in losses(history)] for history in (one, other)]
    assert values[0] == pytest.approx(values[1], rel=2e-4)


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(trained) -> None:
    """With a codebook that follows its inputs, data that do not divide, an averaged model; the loss, the validation
    loss and what a sample sees."""
    one, two = trained("one", 1), trained("two", 2)
    assert_close(one, two)
    assert (
        len((trained.base / "two/log.jsonl").read_text().splitlines()) == 11
    )  # start, 6 steps, 2 validations, 2 samples
    states = [load_model(trained.base / name / "model-6.pt").state_dict for name in ("one", "two")]
    for name, value in states[0].items():
        assert torch.allclose(value.float(), states[1][name].float(), atol=5e-3), name


@pytest.mark.slow
def test_split_weights_give_the_same_losses_and_are_saved_whole(trained) -> None:
    """FSDP on two CPU processes; its checkpoint goes on in one process, and one process's in FSDP."""
    one, split = trained("whole", 1), trained("split", 2, "fsdp")
    assert_close(one, split)
    files = [read_tensors(trained.base / name / "state-6.pt")["values"] for name in ("whole", "split")]
    shapes = [{key: tuple(value.shape) for key, value in state["weights"].items()} for state in files]
    assert shapes[0] == shapes[1]
    moments = [state["optimizer"]["state"][0]["exp_avg"] for state in files]
    assert torch.allclose(moments[0], moments[1], atol=1e-4)
    longer = trained("whole", 1, steps=8)
    assert_close(longer, trained("split", 1, steps=8))  # split -> one
    trained("back", 1, steps=6)
    assert_close(longer, trained("back", 2, "fsdp", steps=8))  # one -> split


@pytest.mark.slow
def test_micro_batches_are_one_batch_with_a_codebook_that_follows(trained) -> None:
    """From the third step on: the first one's codes are drawn from its first micro-batch."""
    trained("begun", 1, steps=3)
    for name in ("parts", "batch"):
        (trained.base / name).mkdir()
        for file in ("model-3.pt", "state-3.pt"):
            (trained.base / name / file).write_bytes((trained.base / "begun" / file).read_bytes())
    whole, parts = trained("batch", 1), trained("parts", 1, accum=2)
    assert_close(whole, parts)
