"""The loop beside its steps: validation, samples, what a checkpoint holds, logs, a limit of time."""

import errno
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from genieredux.errors import UserError
from genieredux.models.checkpoint import Section, load_model
from genieredux.models.tensor_file import read_tensors
from genieredux.models.types import Batch
from genieredux.runs import RunFolder
from genieredux.training import CosineConfig, OptimizerConfig, WarmupConfig
from genieredux.training.assembled import Sample, say
from genieredux.training.fakes import FakeData, FakeModel, FakeModelConfig
from toy_runs import CONFIG, assert_same, new_model, train


def test_validation_disturbs_nothing(tmp_path):
    train(tmp_path / "often", replace(CONFIG, validate_every=1))
    train(tmp_path / "once", replace(CONFIG, validate_every=12))
    often, once = (read_tensors(tmp_path / name / "model-12.pt") for name in ("often", "once"))
    assert_same(often, once, "model")


def test_best_is_the_lowest_validation_loss(tmp_path):
    diverging = OptimizerConfig(learning_rate=0.3, warmup=WarmupConfig(0.01, 12), cosine=CosineConfig(1000, 0.3))
    result = train(tmp_path, replace(CONFIG, validate_every=1), optimizer=diverging)
    losses = {record["step"]: record["loss"] for record in result.history if record["event"] == "validate"}
    assert load_model(result.best_path).step == min(losses, key=losses.get)
    assert result.best_path.name == "model-best.pt"


def test_without_validation_the_best_is_the_last(tmp_path):
    result = train(tmp_path, validation=None)
    assert result.best_path == result.model_path == tmp_path / "model-12.pt"


def test_samples_see_the_averaged_model_in_evaluation_mode(tmp_path):
    seen = []

    def sample(model: nn.Module, step: int) -> Sample:
        seen.append((step, model.training, {k: v.clone() for k, v in model.state_dict().items()}))
        torch.rand(3)
        red = np.zeros((8, 8, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
        return Sample({"psnr": 20.0 + step}, {"still": red, "film": np.stack([red, red])})

    model = new_model()
    model.decode.eval()  # a frozen part keeps its mode

    def keep_frozen(mode: bool = True) -> FakeModel:
        FakeModel.train(model, mode)
        model.decode.training = False
        return model

    model.train = keep_frozen
    result = train(tmp_path, replace(CONFIG, ema_decay=0.9), model=model, looks=(sample,))
    assert [(step, training) for step, training, _ in seen] == [(6, False), (12, False)]
    assert model.training
    assert not model.decode.training
    saved = load_model(result.model_path).state_dict
    assert torch.equal(saved["encode.weight"], seen[-1][2]["encode.weight"])
    assert not torch.equal(saved["encode.weight"], model.encode.weight)
    assert [r["psnr"] for r in result.history if r["event"] == "sample"] == [26.0, 32.0]
    written = sorted(path.name for path in (tmp_path / "media").iterdir())
    assert written == ["film-12.gif", "film-6.gif", "still-12.png", "still-6.png"]
    with Image.open(tmp_path / "media/still-6.png") as picture:
        assert picture.getpixel((3, 3)) == (255, 0, 0)


def test_a_checkpoint_carries_sections_and_metadata(tmp_path):
    tokenizer = Section("tokenizer", {"codes": 2}, {"w": torch.ones(2)})
    result = train(
        tmp_path,
        sections={"tokenizer": tokenizer},
        metadata=say({"action_names": ["LEFT"]}),
        validation=None,
    )
    data = load_model(result.model_path, expect="fake")
    assert (data.step, data.metadata) == (12, {"action_names": ["LEFT"]})
    assert torch.equal(data.section("tokenizer").state_dict["w"], torch.ones(2))
    model = FakeModel(FakeModelConfig(**data.config))
    model.load_state_dict(data.state_dict)


def test_tensorboard_and_log(tmp_path):
    train(tmp_path, replace(CONFIG, tensorboard=True))
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert (tmp_path / "environment.json").is_file()
    assert RunFolder(tmp_path).records()[0]["event"] == "start"


class Slow(FakeData):
    def batch(self, k: int) -> Batch:
        time.sleep(0.02)
        return super().batch(k)


def test_a_full_disk_under_tensorboard_is_one_line(tmp_path, monkeypatch, capfd):
    from tensorboard.summary.writer.record_writer import RecordWriter

    def full(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(RecordWriter, "write", full)
    with pytest.raises(UserError, match="tensorboard: the disk is full"):
        train(tmp_path, replace(CONFIG, tensorboard=True))
    assert "Traceback" not in capfd.readouterr().err


def test_a_time_limit_ends_the_run_at_the_lowest_rate(tmp_path):
    cfg = replace(CONFIG, num_train_steps=10**6, time_limit_s=1.0, schedule="time", log_every=1, validate_every=10**6)
    optimizer = OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 10), cosine=CosineConfig(90, 1e-3))
    result = train(tmp_path, cfg, Slow(), optimizer=optimizer)
    assert result.last_step < cfg.num_train_steps
    assert result.seconds >= 1.0
    rates = [record["lr"] for record in result.history if record["event"] == "train"]
    assert max(rates) > 8e-3
    assert rates[-1] == pytest.approx(1e-3, rel=0.3)
    assert train(tmp_path, cfg, Slow(), optimizer=optimizer).already_finished
    longer = replace(cfg, time_limit_s=result.seconds + 0.2)
    assert train(tmp_path, longer, Slow(), optimizer=optimizer).last_step > result.last_step


def test_one_process_writes_to_a_folder(tmp_path):
    with RunFolder(tmp_path).lock(), pytest.raises(UserError, match="another process"):
        train(tmp_path)
