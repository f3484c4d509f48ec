"""What a run would take: right counts, real steps, and words for what does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genieredux.errors import UserError
from genieredux.models.build import build_model
from genieredux.training import TrainConfig, doctor, train
from genieredux.training.doctor import diagnose
from genieredux.training.jobs import JobConfig
from square_data import write_square_dataset

CONV: dict[str, Any] = {"architecture": "conv", "encoder_width": 8, "decoder_width": 8, "codebook_size": 16}
LAM: dict[str, Any] = {"architecture": "conv", "dim": 16, "width": 16, "codebook_size": 4}
HISTORY: dict[str, Any] = {"dim": 16, "history_blocks": 1, "heads": 2, "dim_head": 8, "group": 2, "local_width": 8}


@pytest.fixture
def job(tmp_path: Path) -> JobConfig:
    train = TrainConfig(
        dataset_root_dpath=str(tmp_path),
        dataset_name="square",
        num_frames=4,
        batch_size=3,
        grad_accum=2,
        num_train_steps=50,
        precision="32",
        accelerator="cpu",
    )
    return JobConfig(checkpoints_dpath=str(tmp_path / "checkpoints"), train=train, tokenizer=CONV)


def test_a_tokenizer_without_its_data_is_measured_on_noise(job: JobConfig, tmp_path: Path) -> None:
    found = diagnose(job)
    model = build_model("tokenizer", {**CONV, "image_size": 64})
    assert found.trained == sum(p.numel() for p in model.parameters())
    assert sum(found.parts.values()) == found.trained
    assert found.batch == "3 of 3 clips x 4 frames"
    assert found.total_s == pytest.approx(50 * found.step_s)
    assert found.flops > 6 * found.trained
    assert 0 < found.mfu < 2
    assert any("measured on noise" in note for note in found.notes)
    assert found.problems == []
    assert list(tmp_path.iterdir()) == []  # nothing is written


@pytest.mark.parametrize("model", ["genie_redux_guided", "genie_redux", "latent_action_model"])
def test_every_kind(job: JobConfig, tmp_path: Path, model: str) -> None:
    write_square_dataset(tmp_path / "square", episodes=3)
    cfg = replace(job, model=model, lam=LAM, dynamics=HISTORY)
    if model != "latent_action_model":
        path = train(replace(job, train=replace(job.train, num_train_steps=1))).model_path
        cfg = replace(cfg, tokenizer_fpath=str(path), tokenizer={})
    found = diagnose(cfg)
    assert found.kind == model
    assert found.notes == []
    assert found.step_s > 0
    if model != "latent_action_model":
        assert found.token_cache == 3 * 24 * 16 * 2  # frames, 4x4 tokens, two bytes
        assert found.parts["tokenizer (frozen)"] > 0


def test_what_does_not_fit_is_said_with_what_to_change(
    job: JobConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "memory_of", lambda device: 1)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    problems = diagnose(job).problems
    assert "config=presets/small" in problems[0] or "train.batch_size=" in problems[0]
    assert "train.activation_checkpointing=true" in problems[0]
    assert "train.keep_last=1" in problems[1]


def test_a_gpu_that_is_not_there(job: JobConfig) -> None:
    with pytest.raises(UserError, match=r"there is no GPU here; set train\.accelerator=cpu"):
        diagnose(replace(job, train=replace(job.train, accelerator="cuda")))
