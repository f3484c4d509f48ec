"""Training jobs of every kind of model, at toy size, on a square that moves; a process that is to be killed runs them
by name.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from genieredux.models.build import build_model
from genieredux.models.checkpoint import save_model
from genieredux.training import CosineConfig, OptimizerConfig, RunResult, TrainConfig, WarmupConfig, train
from genieredux.training.assembled import Sample
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds import code_counts
from genieredux.training.loop.saves import Saves
from square_data import write_square_dataset

ST: dict[str, Any] = {"patch_size": 4, "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8, "codebook_dim": 4}
CONV_LAM: dict[str, Any] = {
    "architecture": "conv",
    "dim": 16,
    "width": 8,
    "codebook_size": 4,
    "patch_size": 4,
    "codebook": "categorical",
}
ST_LAM: dict[str, Any] = {**ST, "codebook_size": 4, "codebook": "nearest", "quantizer": "ema"}
HISTORY: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}
MASKGIT: dict[str, Any] = {"architecture": "st_maskgit", "dim": 16, "blocks": 1, "heads": 2, "dim_head": 8}
NOISY: dict[str, Any] = {"history_noise": 0.3, "mask_ratio": "cosine", "mask_ratio_per": "frame", "decoder_weight": 0.1}


@dataclass(frozen=True)
class Toy:
    """One job. train: what differs from TRAIN; the others as in JobConfig."""

    model: str
    tokenizer: dict[str, Any] = field(default_factory=dict)
    lam: dict[str, Any] = field(default_factory=dict)
    dynamics: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)


ALL: dict[str, Any] = {"grad_accum": 2, "ema_decay": 0.9, "precision": "bf16", "n_data_workers": 2}
TOYS = {
    "accumulated": Toy("tokenizer", {**ST, "codebook_size": 16, "quantizer": "ema"}, train={"grad_accum": 3}),
    "averaged": Toy("genie_redux_guided", dynamics={**HISTORY, "own_history": 0.5}, train={"ema_decay": 0.9}),
    "latent-actions": Toy("latent_action_model", lam=CONV_LAM, train=ALL),
    "papers-latent-actions": Toy("latent_action_model", lam=ST_LAM, train=ALL),
    "papers-dynamics": Toy("genie_redux_guided", dynamics={**MASKGIT, **NOISY}, train=ALL),
    "joint": Toy("genie_redux", lam=CONV_LAM, dynamics=HISTORY, train=ALL),
    "papers-joint": Toy("genie_redux", lam=ST_LAM, dynamics={**MASKGIT, **NOISY, "conditioning": "add"}, train=ALL),
}
TRAIN = TrainConfig(
    dataset_name="square",
    num_frames=5,
    max_valid_size=4,
    batch_size=2,
    num_train_steps=10,
    save_model_every=4,
    validate_every=3,
    log_every=3,
    precision="32",
    accelerator="cpu",
    tensorboard=False,
    samples=2,
)


def prepare(base: Path) -> None:
    """A data set and a tokenizer (not trained: here it only has to be the same)."""
    write_square_dataset(base / "datasets" / "square")
    torch.manual_seed(0)
    tokenizer: Any = build_model("tokenizer", {**ST, "image_size": 16, "codebook_size": 16})
    save_model(base / "tokenizer.pt", "tokenizer", tokenizer.config, tokenizer.state_dict())


def run(base: Path, name: str, run_name: str, on_sample: Callable[[nn.Module, int], Sample] | None = None) -> RunResult:
    """Train one of TOYS in base/checkpoints/<kind>/<run_name>."""
    toy = TOYS[name]
    cfg = JobConfig(
        model=toy.model,
        run_name=run_name,
        checkpoints_dpath=str(base / "checkpoints"),
        tokenizer_fpath=None if toy.model in ("tokenizer", "latent_action_model") else str(base / "tokenizer.pt"),
        train=replace(TRAIN, dataset_root_dpath=str(base / "datasets"), **toy.train),
        optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 3), cosine=CosineConfig(20, 1e-3)),
        tokenizer=toy.tokenizer,
        lam=toy.lam,
        dynamics=toy.dynamics,
    )
    with mock.patch.object(code_counts, "CLIPS", 16):
        return train(cfg, on_sample)


def run_until_killed(base: Path, name: str, moment: str) -> None:
    """Train and wait for ever: "validating" at step 6, inside the validation, or "saving" at step 8, between the two
    files of a checkpoint. The file base/now then says that the time has come.
    """

    def wait() -> None:
        (base / "now").touch()
        time.sleep(600)

    def look(model: nn.Module, step: int) -> Sample:
        if moment == "validating" and step == 6:
            wait()
        return Sample()

    write = Saves.write_state

    def write_and_wait(saves: Saves, position: Any, values: Any) -> Path:
        path = write(saves, position, values)
        if moment == "saving" and position.step == 8:
            wait()
        return path

    Saves.write_state = write_and_wait  # type: ignore[method-assign]
    run(base, name, "killed", look)
