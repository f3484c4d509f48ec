"""Training a tokenizer's decoder alone: tokens stay, pixels get better, caches stay valid."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.training import OptimizerConfig, TrainConfig, WarmupConfig, train
from genieredux.training.jobs import JobConfig
from genieredux.training.kinds.materials import load_tokenizer
from square_data import write_square_dataset

TOKENIZERS: dict[str, dict[str, Any]] = {
    "conv": {
        "architecture": "conv",
        "encoder_width": 8,
        "decoder_width": 8,
        "codebook_size": 16,
        "codebook_dim": 4,
    },
    **{
        f"st_{rule}": {
            "architecture": "st_vivit",
            "dim": 16,
            "blocks": 1,
            "heads": 2,
            "dim_head": 8,
            "codebook_size": 16,
            "codebook_dim": 4,
            "quantizer": rule,
            "fsq_levels": (4, 4),
        }
        for rule in ("ema", "gradient", "fsq")
    },
}


def make_job(base: Path, config: dict[str, Any], **train: Any) -> JobConfig:
    values = {
        "dataset_root_dpath": str(base),
        "dataset_name": "square",
        "num_frames": 3,
        "max_valid_size": 4,
        "batch_size": 4,
        "num_train_steps": 4,
        "save_model_every": 4,
        "validate_every": 4,
        "log_every": 2,
        "precision": "32",
        "accelerator": "cpu",
        "tensorboard": False,
    }
    return JobConfig(
        checkpoints_dpath=str(base / "checkpoints"),
        train=TrainConfig(**{**values, **train}),
        optimizer=OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 2)),
        tokenizer=config,
    )


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_stay_and_the_decoder_moves(tmp_path: Path, name: str) -> None:
    write_square_dataset(tmp_path / "square", episodes=3)
    job = make_job(tmp_path, TOKENIZERS[name])
    first = load_model(train(job).model_path)
    tuned = replace(job, run_name="tuned", tokenizer_fpath=str(first.path), tokenizer={})
    tuned = replace(tuned, train=replace(job.train, trainable="decoder", grad_accum=2, ema_decay=0.9))
    second = load_model(train(tuned).model_path)
    before, after = (load_tokenizer(data.model) for data in (first, second))
    frames = torch.rand(2, 3, 3, 16, 16)
    tokens = before.model.encode(frames)
    assert torch.equal(tokens, after.model.encode(frames))
    assert not torch.equal(before.model.decode(tokens), after.model.decode(tokens))
    assert before.id == after.id  # caches and dynamics made with the one are right with the other
    assert before.section.fingerprint != after.section.fingerprint
    moved = {key for key, value in first.state_dict.items() if not torch.equal(value, second.state_dict[key])}
    assert moved
    assert all(key.startswith(("decoder.", "pixels_", "quantizer.project_out.")) for key in moved)


def test_training_it_whole_gives_other_tokens_another_name(tmp_path: Path) -> None:
    write_square_dataset(tmp_path / "square", episodes=3)
    job = make_job(tmp_path, TOKENIZERS["conv"])
    first = load_model(train(job).model_path)
    whole = replace(job, run_name="tuned", tokenizer_fpath=str(first.path), tokenizer={})
    second = load_model(train(whole).model_path)
    ids = [load_tokenizer(data.model).id for data in (first, second)]
    assert ids[0] != ids[1]


def test_it_is_for_trained_tokenizers(tmp_path: Path) -> None:
    write_square_dataset(tmp_path / "square", episodes=3)
    job = make_job(tmp_path, TOKENIZERS["conv"], trainable="decoder")
    with pytest.raises(UserError, match=r"give tokenizer_fpath, or set train.trainable=all"):
        train(job)
    with pytest.raises(UserError, match="is for tokenizers; a genie_redux_guided trains with all"):
        train(replace(job, model="genie_redux_guided"))
