"""The loop on this project's own models: interrupted and resumed equals uninterrupted, codebook included."""

from dataclasses import replace

import pytest
import torch

from genieredux.models.checkpoint import load_model, read_tensors
from genieredux.models.st_tokenizer import STTokenizer, STTokenizerConfig
from genieredux.runs import RunFolder
from genieredux.training import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.fakes import FakeData

SMALL = STTokenizerConfig(
    image_size=16, patch_size=4, dim=16, blocks=1, heads=2, dim_head=8, codebook_size=16, codebook_dim=4
)
TRAIN = TrainConfig(
    batch_size=2,
    num_train_steps=8,
    save_model_every=4,
    validate_every=4,
    log_every=4,
    max_valid_size=2,
    precision="bf16",
    accelerator="cpu",
    ema_decay=0.9,
    tensorboard=False,
)
OPTIMIZER = OptimizerConfig(1e-2, warmup=WarmupConfig(0.5, 2), cosine=CosineConfig(100, 1e-3))


@pytest.mark.parametrize("quantizer", ["gradient", "ema", "fsq"])
def test_tokenizer_resumes_bit_for_bit(tmp_path, quantizer):
    config = replace(SMALL, quantizer=quantizer, fsq_levels=(4, 4))

    def train(name: str, steps: int, seed: int = 0):
        torch.manual_seed(seed)
        cfg = replace(TRAIN, num_train_steps=steps)
        data = FakeData(batch_size=2)
        run = RunFolder(tmp_path / name)
        return fit(STTokenizer(config), data, cfg, run, optimizer=OPTIMIZER, validation=FakeData(2, seed=7))

    whole = train("whole", 8)
    train("parts", 4)
    parts = train("parts", 8, seed=1)
    one, other = load_model(whole.model_path), load_model(parts.model_path)
    assert one.model.fingerprint == other.model.fingerprint
    states = [read_tensors(tmp_path / name / "state-8.pt")["values"] for name in ("whole", "parts")]
    for key, value in states[0]["weights"].items():
        assert torch.equal(value, states[1]["weights"][key]), key
    again = STTokenizer(config)
    again.load_state_dict(one.state_dict)
