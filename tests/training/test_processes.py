"""Several processes: the losses of one at the same global batch, one writer, whole checkpoints."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys, torch
from torch import nn
from genieredux.models.types import Batch, Losses
from genieredux.runs import RunFolder
from genieredux.training import OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.devices import make_fabric
from genieredux.training.fakes import FakeData, FakeModelConfig

class Rebuild(nn.Module):
    kind = "fake"
    def __init__(self):
        super().__init__()
        self.config = FakeModelConfig()
        self.down, self.up = nn.Conv2d(3, 8, 4, stride=4), nn.ConvTranspose2d(8, 3, 4, stride=4)
    def forward(self, batch, generator):
        x = batch.frames.flatten(0, 1)
        return Losses((self.up(self.down(x)) - x).square().mean(), {})

processes, folder = int(sys.argv[1]), sys.argv[2]
cfg = TrainConfig(batch_size=4 // processes, num_train_steps=6, log_every=1, save_model_every=3,
                  validate_every=3, max_valid_size=4, precision="32", accelerator="cpu",
                  num_processes=processes, tensorboard=False)
fabric = make_fabric(cfg)

class Share:
    def __init__(self, seed):
        self.whole = FakeData(batch_size=4, seed=seed)
    def batch(self, step, micro):
        first = fabric.global_rank * cfg.batch_size
        return Batch(frames=self.whole.batch(step, micro).frames[first : first + cfg.batch_size])

torch.manual_seed(0)
result = fit(Rebuild(), Share(0), cfg, RunFolder(folder), validation=Share(1), fabric=fabric,
             optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 3)))
if fabric.is_global_zero:
    print("HISTORY", json.dumps(result.history))
"""


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    histories = []
    for processes in (1, 2):
        script, folder = tmp_path / "train.py", tmp_path / f"run{processes}"
        script.write_text(SCRIPT)
        done = subprocess.run(
            [sys.executable, str(script), str(processes), str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("HISTORY"))
        histories.append(json.loads(line.removeprefix("HISTORY")))
        assert (folder / "model-6.pt").is_file()
        assert len((folder / "log.jsonl").read_text().splitlines()) == 9  # start, six steps, two validations
    one, two = ([(r["event"], r["step"], r["loss"]) for r in history] for history in histories)
    assert [record[:2] for record in one] == [record[:2] for record in two]
    assert [record[2] for record in one] == pytest.approx([record[2] for record in two], rel=1e-5)
