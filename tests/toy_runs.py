"""Runs of a toy model by the real loop, and what makes two of them the same run."""

import os
import signal
from pathlib import Path

import torch

from genieredux.models.tensor_file import read_tensors
from genieredux.models.types import Batch
from genieredux.runs import RunFolder
from genieredux.training import Assembled, CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.fakes import FakeData, FakeModel

CONFIG = TrainConfig(
    batch_size=4,
    num_train_steps=12,
    save_model_every=4,
    validate_every=6,
    log_every=3,
    max_valid_size=8,
    precision="32",
    accelerator="cpu",
    tensorboard=False,
)
OPTIMIZER = OptimizerConfig(learning_rate=1e-2, warmup=WarmupConfig(0.5, 4), cosine=CosineConfig(None, 1e-3))
MEASURED = ("time", "elapsed_s", "peak_rss_mib", "mfu")


def new_model(seed: int = 0) -> FakeModel:
    torch.manual_seed(seed)
    return FakeModel()


def train(folder: Path, cfg: TrainConfig = CONFIG, data=None, model=None, optimizer=OPTIMIZER, **parts):
    parts.setdefault("validation", FakeData(seed=9))
    return fit(Assembled(model or new_model(), data or FakeData(), **parts), cfg, RunFolder(folder), optimizer)


class Interrupting(FakeData):
    """Sends this process a signal when a batch is asked for."""

    at = 0
    signum = signal.SIGTERM

    def batch(self, k: int) -> Batch:
        if k == self.at:
            os.kill(os.getpid(), self.signum)
        return super().batch(k)


def interrupt_at(step: int, signum: int = signal.SIGTERM, grad_accum: int = 1) -> Interrupting:
    data = Interrupting()
    data.at, data.signum = (step - 1) * grad_accum, signum
    return data


def assert_same_files(one: Path, other: Path, step: int) -> None:
    for name in (f"model-{step}.pt", f"state-{step}.pt", "model-best.pt"):
        assert_same(read_tensors(one / name), read_tensors(other / name), name)


def assert_same(a, b, where: str) -> None:
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype, where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            if key != "elapsed":
                assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{index}")
    else:
        assert a == b, where


def without_measurements(history: list[dict]) -> list[dict]:
    return [
        {key: v for key, v in record.items() if key not in MEASURED and not key.endswith("_per_s")}
        for record in history
    ]
