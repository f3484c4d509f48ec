"""The learning rate against the published table, and which parameters decay."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from genieredux.errors import UserError
from genieredux.training.config import CosineConfig, OptimizerConfig, TrainConfig, WarmupConfig
from genieredux.training.loop.optimizer import (
    build_optimizer,
    learning_rate,
    learning_rate_at,
    learning_rate_at_progress,
    set_learning_rate,
)
from published_cases import FIXTURES


def test_published_schedule_up_to_its_floor():
    table = json.loads((FIXTURES / "schedules.json").read_text())
    published = table["lr_after_scheduler_step_s_default_config"]
    for step, rate in published.items():
        if int(step) <= 105_000:
            assert learning_rate(int(step), OptimizerConfig(), 150_000) == pytest.approx(rate, rel=1e-6)


@given(st.integers(105_000, 10**7))
def test_flat_after_the_floor(step):
    assert learning_rate(step, OptimizerConfig(), 150_000) == 5e-5


@given(st.integers(5000, 200_000))
def test_never_rises_after_the_warm_up(step):
    config = OptimizerConfig()
    assert learning_rate(step + 1, config, 150_000) <= learning_rate(step, config, 150_000)


def test_cosine_over_the_rest_of_the_run():
    config = OptimizerConfig(1e-3, warmup=WarmupConfig(0.5, 10), cosine=CosineConfig(None, 1e-5))
    assert learning_rate(0, config, 110) == pytest.approx(5e-4)
    assert learning_rate(10, config, 110) == pytest.approx(1e-3)
    assert learning_rate(60, config, 110) == pytest.approx((1e-3 + 1e-5) / 2)
    assert learning_rate(110, config, 110) == pytest.approx(1e-5)


def test_no_warm_up_starts_at_the_peak():
    assert learning_rate(0, OptimizerConfig(warmup=WarmupConfig(0.5, 0)), 10) == 1e-4


def test_a_peak_below_the_floor_never_rises():
    config = OptimizerConfig(1e-6, warmup=WarmupConfig(0.5, 10))
    assert learning_rate(50_000, config, 150_000) == 1e-6


@given(st.floats(0, 1), st.integers(1, 10**6))
def test_by_time_the_whole_curve_fits_the_run(progress, length):
    config = OptimizerConfig(warmup=WarmupConfig(0.5, 50), cosine=CosineConfig(950, 5e-5))
    rate = learning_rate_at_progress(progress, config, length)
    assert rate == pytest.approx(learning_rate(progress * 1000, config, length))
    assert learning_rate_at_progress(1.0, config, length) == 5e-5


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.linear = nn.Linear(4, 3)
        self.frozen = nn.Parameter(torch.ones(2, 2), requires_grad=False)


def decayed_names(model: nn.Module, optimizer: torch.optim.Optimizer) -> set[str]:
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] > 0 for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in decayed}


def test_matrices_decay_and_vectors_do_not():
    model = Small()
    optimizer = build_optimizer(model, OptimizerConfig())
    assert decayed_names(model, optimizer) == {"embedding.weight", "linear.weight"}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 3  # the frozen one is left out
    spared = build_optimizer(model, OptimizerConfig(decay_embeddings=False))
    assert decayed_names(model, spared) == {"linear.weight"}


def test_settings_reach_the_optimizer():
    optimizer = build_optimizer(Small(), OptimizerConfig(learning_rate=3e-4, betas=(0.8, 0.95), eps=1e-6))
    for group in optimizer.param_groups:
        assert (group["lr"], tuple(group["betas"]), group["eps"]) == (3e-4, (0.8, 0.95), 1e-6)
    set_learning_rate(optimizer, 1.0)
    assert {group["lr"] for group in optimizer.param_groups} == {1.0}


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: OptimizerConfig(learning_rate=0), "optimizer.learning_rate is 0"),
        (lambda: OptimizerConfig(cosine=CosineConfig(0)), "optimizer.cosine.t_max"),
        (lambda: TrainConfig(batch_size=0), "train.batch_size is 0; it must be from 1 to 65536"),
        (lambda: TrainConfig(precision="fp8"), r"train.precision is 'fp8'; .*choose one of auto, 32, bf16"),
        (lambda: TrainConfig(schedule="time"), "train.time_limit_s is null"),
        (lambda: TrainConfig(ema_decay=1.0), "train.ema_decay"),
    ],
)
def test_values_out_of_range_are_named(make, named):
    with pytest.raises(UserError, match=named):
        make()


def test_by_time_the_rate_follows_whatever_is_further_time_or_steps():
    loop = TrainConfig(schedule="time", time_limit_s=100.0, num_train_steps=1000)
    config = OptimizerConfig(1e-3, warmup=WarmupConfig(0.5, 100), cosine=CosineConfig(100, 1e-5))
    half = learning_rate_at_progress(0.5, config, 1000)
    assert half == pytest.approx(1e-3)  # the warm-up is half of the curve
    assert learning_rate_at(1, 50.0, config, loop) == learning_rate_at(501, 0.0, config, loop) == half
    assert learning_rate_at(1, 100.0, config, loop) == pytest.approx(1e-5)
    assert learning_rate_at(201, 0.0, config, TrainConfig()) == pytest.approx(1e-5)  # by steps
