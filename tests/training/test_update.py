"""One update: micro-batches are one batch, the clip, the rate, a loss that is not a number."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from genieredux.errors import UserError
from genieredux.models.types import Batch, Losses
from genieredux.training.fakes import FakeData
from toy_runs import CONFIG, train


@dataclass
class LinearConfig:
    scale: float = 1.0


class Linear(nn.Module):
    """Its gradient is the mean of what the batch says."""

    kind = "linear"

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.config = LinearConfig(scale)
        self.weight = nn.Parameter(torch.zeros(3))

    def forward(self, batch: Batch, generator: torch.Generator) -> Losses:
        total = self.config.scale * (self.weight * batch.frames.mean((0, 1, 3, 4))).sum()
        return Losses(total, {})


@dataclass
class Split:
    """The clips of FakeData(batch_size 4) in `parts` micro-batches."""

    parts: int
    spoil: int = 0

    def batch(self, k: int) -> Batch:
        step, micro = divmod(k, self.parts)
        frames = FakeData(batch_size=4).batch(step).frames.float() / 255
        if step + 1 == self.spoil:
            frames = frames * float("nan")
        size = 4 // self.parts
        return Batch(frames=frames[micro * size : (micro + 1) * size])


def test_micro_batches_equal_one_batch_and_are_clipped_once(tmp_path):
    weights, norms = [], []
    for parts in (1, 4):
        model = Linear(scale=100.0)  # the clip, at norm 10, is in force
        cfg = replace(CONFIG, grad_accum=parts, batch_size=4 // parts, num_train_steps=3, log_every=1)
        result = train(tmp_path / str(parts), cfg, Split(parts), model, validation=None)
        weights.append(model.weight.detach().clone())
        norms.append([record["grad_norm"] for record in result.history if record["event"] == "train"])
    assert torch.allclose(weights[0], weights[1], atol=1e-7)
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)
    assert min(norms[0]) > 10  # what is logged is the norm before clipping, of the whole step


def test_every_update_draws_noise_of_its_own_and_its_micro_batches_that_of_one_batch(tmp_path):
    drawn = []

    class Drawing(Linear):
        def forward(self, batch, generator):
            if self.training:
                drawn.append(float(torch.rand((), generator=generator)))
            return super().forward(batch, generator)

    cfg = replace(CONFIG, grad_accum=2, batch_size=2, num_train_steps=3)
    train(tmp_path, cfg, Split(2), Drawing(), validation=None)
    updates = [drawn[-6:][k : k + 2] for k in (0, 2, 4)]
    assert [len(set(update)) for update in updates] == [1, 1, 1]
    assert len({update[0] for update in updates}) == 3


def test_a_loss_that_is_not_a_number_names_its_step(tmp_path):
    cfg = replace(CONFIG, save_model_every=1)
    with pytest.raises(UserError, match="not finite at step 5"):
        train(tmp_path, cfg, Split(1, spoil=5), Linear(), validation=None)
    assert max(int(p.stem.split("-")[1]) for p in tmp_path.glob("model-*.pt")) == 4


def test_the_rate_of_each_step_is_logged(tmp_path):
    result = train(tmp_path, replace(CONFIG, log_every=1))
    rates = [record["lr"] for record in result.history if record["event"] == "train"]
    assert rates[0] == pytest.approx(5e-3)  # the first update uses the start of the warm-up
    assert max(rates) == pytest.approx(1e-2)
    assert rates[-1] < 2e-3


def test_losses_fall_and_are_logged_by_part(tmp_path):
    result = train(tmp_path, replace(CONFIG, num_train_steps=60))
    losses = [record for record in result.history if record["event"] == "train"]
    assert losses[-1]["loss"] < 0.5 * losses[0]["loss"]
    assert {"reconstruction", "commitment", "grad_norm", "lr", "steps_per_s", "frames_per_s"} <= losses[0].keys()
