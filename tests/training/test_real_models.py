"""The loop on this project's own models: interrupted and resumed equals uninterrupted, codebook included."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.models.build import build_model
from genieredux.models.checkpoint import load_model
from genieredux.models.tensor_file import read_tensors
from genieredux.models.tokenizers.conv import ConvTokenizer, ConvTokenizerConfig
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.types import Batch
from genieredux.runs import RunFolder
from genieredux.training import Assembled, CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig, fit
from genieredux.training.fakes import FakeData

SMALL = STViViTConfig(
    image_size=16, patch_size=4, dim=16, blocks=1, heads=2, dim_head=8, codebook_size=16, codebook_dim=4
)
CONV = ConvTokenizerConfig(image_size=16, encoder_width=8, decoder_width=8, codebook_size=16, codebook_dim=4)
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


@dataclass(frozen=True)
class RandomTokens:
    """Clips of random tokens and actions for a dynamics on an 8x8 grid."""

    seed: int = 0

    def batch(self, k: int) -> Batch:
        generator = torch.Generator().manual_seed(1000 * self.seed + k)
        tokens = torch.randint(24, (2, 5, 8, 8), generator=generator)
        return Batch(tokens=tokens, actions=torch.randint(len(ACTIONS), (2, 4), generator=generator))


CANVAS = {"architecture": "canvas", "image_size": 16, "codebook_size": 8, "width": 8, "motion_width": 16, "margin": 8}


@dataclass(frozen=True)
class Walks:
    """Clips of frames and actions for a dynamics that needs no tokenizer."""

    seed: int = 0

    def batch(self, k: int) -> Batch:
        generator = torch.Generator().manual_seed(1000 * self.seed + k)
        frames = torch.randint(0, 256, (2, 5, 3, 16, 16), generator=generator, dtype=torch.uint8)
        return Batch(frames, actions=torch.randint(len(ACTIONS), (2, 4), generator=generator))


MODELS: dict[str, tuple[Callable[[], nn.Module], Any, Any]] = {
    "conv": (lambda: ConvTokenizer(CONV), FakeData(batch_size=2), FakeData(2, seed=7)),
    "canvas": (lambda: build_model("genie_redux_guided", CANVAS, action_names=ACTIONS), Walks(), Walks(7)),
    "dynamics": (lambda: make_dynamics(make_tokenizer(), own_history=0.5), RandomTokens(), RandomTokens(7)),
    **{
        name: (
            lambda name=name: STViViT(replace(SMALL, quantizer=name, fsq_levels=(4, 4))),
            FakeData(batch_size=2),
            FakeData(2, seed=7),
        )
        for name in ("gradient", "ema", "fsq")
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path, name):
    build, data, held_out = MODELS[name]

    def train(folder: str, steps: int, seed: int = 0):
        torch.manual_seed(seed)
        cfg = replace(TRAIN, num_train_steps=steps)
        return fit(Assembled(build(), data, held_out), cfg, RunFolder(tmp_path / folder), OPTIMIZER)

    whole = train("whole", 8)
    train("parts", 4)
    parts = train("parts", 8, seed=1)
    one, other = load_model(whole.model_path), load_model(parts.model_path)
    assert one.model.fingerprint == other.model.fingerprint
    states = [read_tensors(tmp_path / name / "state-8.pt")["values"] for name in ("whole", "parts")]
    for key, value in states[0]["weights"].items():
        assert torch.equal(value, states[1]["weights"][key]), key
    build().load_state_dict(one.state_dict)
