"""Several processes: the losses of one at the same global batch, one writer, whole checkpoints, split or not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from genieredux.models.checkpoint import load_model
from genieredux.models.tensor_file import read_tensors

SCRIPT = """
import json, sys, torch
from dataclasses import replace
from pathlib import Path
from genieredux.models.latent.actions import STLatentActionConfig, STLatentActions
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.runs import RunFolder
from genieredux.training import Assembled, ClipSource, CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.clips import Place, make_samplers
from genieredux.training.machine.devices import make_fabric
from genieredux.training.assembled import Sample
from genieredux.episodes import Dataset

settings = json.loads(sys.argv[1])
processes, steps = settings["processes"], settings["steps"]
cfg = TrainConfig(batch_size=4 // processes // settings["accum"], grad_accum=settings["accum"], num_train_steps=steps,
                  log_every=1, save_model_every=3, validate_every=3, max_valid_size=4, num_frames=settings["frames"],
                  precision="32", accelerator="cpu", num_processes=processes, tensorboard=False,
                  strategy=settings["strategy"], ema_decay=0.9)
fabric = make_fabric(cfg)
dataset = Dataset.open(settings["data"])
place = Place(fabric.global_rank, fabric.world_size)
samplers = make_samplers(dataset.lengths, dataset.lengths, cfg, cfg.seed, place)
data, held_out = (ClipSource(sampler, dataset) for sampler in samplers)
torch.manual_seed(0)
small = dict(image_size=16, patch_size=4, dim=16, blocks=2, heads=2, dim_head=8, codebook_dim=4)
model = (STViViT(STViViTConfig(**small, codebook_size=16, quantizer="ema")) if settings["model"] == "tokenizer"
         else STLatentActions(STLatentActionConfig(**small, codebook_size=4, balance=0.0, quantizer="gradient",
                                                   codebook="categorical" if settings["drawn"] else "nearest")))
if settings["revive"]:
    model.quantizer.config = replace(model.quantizer.config, decay=0.7, revive_below=0.5)

def look(model, step):
    frames = held_out.batch(0).frames[:1].float() / 255
    made, truth = ((model.reconstruct(frames), frames[:, 1:]) if settings["model"] == "lam"
                   else (model.decode(model.encode(frames)), frames))
    return Sample({"error": float((made - truth).square().mean())})

result = fit(Assembled(model, data, held_out, (look,)), cfg, RunFolder(settings["folder"]), fabric=fabric,
             optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 3), cosine=CosineConfig(100, 1e-3)))
if settings["strategy"] == "ddp":
    torch.save(model.state_dict(), Path(settings["folder"]) / f"rank-{fabric.global_rank}.pt")
if fabric.is_global_zero:
    print("HISTORY", json.dumps(result.history))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """(folder, processes, ...) -> the history of a run of six steps on five uneven episodes."""
    base = tmp_path_factory.mktemp("processes")
    script = base / "train.py"
    script.write_text(SCRIPT)
    write_uneven(base / "data")

    def run(folder: str, processes: int, **changes: Any) -> list[dict[str, Any]]:
        settings = {
            "strategy": "ddp",
            "accum": 1,
            "steps": 6,
            "frames": 3,
            "model": "tokenizer",
            "revive": False,
            "drawn": False,
            **changes,
        }
        settings |= {"processes": processes, "folder": str(base / folder), "data": str(base / "data")}
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
@pytest.mark.parametrize("accum", [1, 2], ids=["one-batch", "micro-batches"])
def test_a_codebook_that_follows_is_that_of_one_process_on_every_process(trained, accum: int) -> None:
    """Its statistics are those of the global batch, the codes that are revived included; on every process the same
    bits, in the very last step too.
    """
    names = (f"one-{accum}", f"two-{accum}")
    one, two = (trained(name, count, accum=accum, revive=True) for count, name in enumerate(names, 1))
    assert_close(one, two)
    alone = torch.load(trained.base / names[0] / "rank-0.pt")
    ranks = [torch.load(trained.base / names[1] / f"rank-{rank}.pt") for rank in (0, 1)]
    for name, value in ranks[0].items():
        assert torch.equal(value, ranks[1][name]), name
    for name in ("cluster_size", "code_sum", "codebook"):
        found, wanted = (state[f"quantizer.{name}"] for state in (ranks[0], alone))
        assert torch.allclose(found, wanted, atol=2e-3), name
        assert wanted.std() > 0.1, name  # codes are used unequally, and apart


@pytest.mark.slow
@pytest.mark.parametrize(("model", "frames"), [("tokenizer", 1), ("tokenizer", 2), ("lam", 2)])
def test_short_clips_leave_no_process_waiting_for_a_gradient(trained, model: str, frames: int) -> None:
    """Where a clip has no further frame, what draws further frames has nothing to learn."""
    settings = {"model": model, "frames": frames}
    one, two = (trained(f"{model}-{frames}-{count}", count, **settings) for count in (1, 2))
    assert_close(one, two)


@pytest.mark.slow
def test_what_a_model_draws_is_the_same_on_two_processes(trained) -> None:
    """Codes drawn by Gumbel-softmax."""
    settings = {"model": "lam", "drawn": True}
    one = trained("drawn-1", 1, **settings)
    assert_close(one, trained("drawn-2", 2, **settings))
    assert_close(one, trained("drawn-parts", 1, accum=2, **settings))


@pytest.mark.slow
def test_split_weights_give_the_same_losses_and_are_saved_whole(trained) -> None:
    """FSDP on two CPU processes; its checkpoint goes on in one process, and one process's in FSDP."""
    one, split = trained("whole", 1), trained("split", 2, strategy="fsdp")
    assert_close(one, split)
    files = [read_tensors(trained.base / name / "state-6.pt")["values"] for name in ("whole", "split")]
    shapes = [{key: tuple(value.shape) for key, value in state["weights"].items()} for state in files]
    assert shapes[0] == shapes[1]
    moments = [state["optimizer"]["state"][0]["exp_avg"] for state in files]
    assert torch.allclose(moments[0], moments[1], atol=1e-4)
    longer = trained("whole", 1, steps=8)
    assert_close(longer, trained("split", 1, steps=8))  # split -> one
    trained("back", 1, steps=6)
    assert_close(longer, trained("back", 2, strategy="fsdp", steps=8))  # one -> split


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
