"""Matrices whose updates are orthogonal: what is computed, of what, and that a run goes on from its file."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from genieredux.errors import UserError
from genieredux.training import Interrupted
from genieredux.training.config import OptimizerConfig, TrainConfig, check_optimizer
from genieredux.training.jobs import JobConfig
from genieredux.training.loop.optimizer import build_optimizer
from genieredux.training.loop.resuming import restore_optimizer
from genieredux.training.machine.moments import MappedAdamW
from genieredux.training.machine.muon import Muon, orthogonal, shares
from models.dynamics.canvas.test_model import make
from toy_runs import CONFIG as CONFIG_OF_RUN
from toy_runs import assert_same_files, interrupt_at, new_model, train

CONFIG = OptimizerConfig(kind="muon", learning_rate=0.01, weight_decay=0.1)


class Plain(nn.Linear):
    by_adamw = ("",)


class Small(nn.Module):
    by_adamw = ("leave",)

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.look = nn.Conv2d(3, 8, 3)
        self.linear = nn.Linear(8, 6)
        self.plain = Plain(8, 6)
        self.leave = nn.Linear(6, 3)


def turned(model: nn.Module, optimizer: torch.optim.Optimizer) -> set[str]:
    chosen = {id(p) for group in optimizer.param_groups if group["orthogonal"] for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in chosen}


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (12, 12), (1, 9)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    left, values, right = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(1)), False)
    values = torch.linspace(1, 0.1, len(values))
    made = left.T @ orthogonal(left * values @ right) @ right.T
    assert 0.6 < made.diagonal().min() <= made.diagonal().max() < 1.3
    assert (made - made.diagonal().diag()).abs().max() < 1e-4


@pytest.mark.parametrize("matrix", [torch.zeros(4, 6), torch.ones(4, 6), torch.ones(6, 4)])
def test_what_has_no_direction_or_a_single_one_stays_finite(matrix):
    made = orthogonal(matrix)
    assert made.shape == matrix.shape
    assert torch.isfinite(made).all()
    if matrix.any():  # one singular value alone is not 0
        torch.testing.assert_close(made, made[:1, :1].expand_as(matrix), atol=1e-4, rtol=0)
        assert 0.6 < made[0, 0] * 24**0.5 < 1.3


def test_matrices_and_convolutions_are_turned_and_nothing_else():
    model = Small()
    assert turned(model, build_optimizer(model, CONFIG)) == {"look.weight", "linear.weight"}
    assert turned(model, build_optimizer(model, OptimizerConfig())) == set()


def test_an_update_is_the_momentum_made_orthogonal_and_as_large_as_adamws():
    model = Small()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, CONFIG)
    momentum, gradients = torch.zeros(6, 8), torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(2))
    expected = before["linear.weight"]
    for gradient in gradients:
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        model.linear.weight.grad = gradient.clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        step = orthogonal(0.05 * gradient + 0.95 * momentum)
        expected = (1 - 0.01 * 0.1) * expected - 0.01 * 0.4 * 8**0.5 * step
    torch.testing.assert_close(model.linear.weight.detach(), expected)
    rest = Small()
    rest.load_state_dict(before)
    usual = build_optimizer(rest, OptimizerConfig(learning_rate=0.01, weight_decay=0.1))
    for _ in gradients:
        for parameter in rest.parameters():
            parameter.grad = torch.ones_like(parameter)
        usual.step()
    for name in ("embedding.weight", "look.bias", "plain.weight", "leave.weight"):
        assert torch.equal(model.get_parameter(name), rest.get_parameter(name)), name
    assert not torch.equal(model.look.weight, rest.look.weight)


def test_the_root_mean_square_of_an_update_is_two_fifths_of_the_rate():
    for shape in ((32, 200), (200, 32), (16, 8, 3, 3)):
        parameter = nn.Parameter(torch.zeros(shape))
        optimizer = Muon([{"params": [parameter], "orthogonal": True, "weight_decay": 0.0}], lr=0.5)
        parameter.grad = torch.randn(shape, generator=torch.Generator().manual_seed(3))
        optimizer.step()
        assert parameter.detach().square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25)


def test_parameters_without_a_gradient_stay_and_a_closure_is_refused():
    model = Small()
    optimizer = build_optimizer(model, CONFIG)
    before = model.linear.weight.detach().clone()
    model.look.weight.grad = torch.ones_like(model.look.weight)
    optimizer.step()
    assert torch.equal(model.linear.weight, before)
    assert len(optimizer.param_groups) == 3
    with pytest.raises(ValueError, match="evaluates nothing again"):
        optimizer.step(lambda: 0)


def test_it_goes_on_from_its_state_to_the_same_bits():
    model = Small()
    optimizer = build_optimizer(model, CONFIG)
    learn(model, optimizer, 2)
    weights = {name: p.clone() for name, p in model.state_dict().items()}
    state = optimizer.state_dict()
    state = {**state, "state": {k: {n: t.clone() for n, t in v.items()} for k, v in state["state"].items()}}
    learn(model, optimizer, 2, seed=1)
    other = Small()
    other.load_state_dict(weights)
    again = build_optimizer(other, CONFIG)
    restore_optimizer(again, state, "state-2.pt")
    learn(other, again, 2, seed=1)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, other.get_parameter(name)), name


TWO = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
from genieredux.training.machine import muon
from training.test_muon import CONFIG, Small, build_optimizer, learn, orthogonal

meet = f"file://{sys.argv[2]}/meet"
torch.distributed.init_process_group("gloo", init_method=meet, rank=int(sys.argv[3]), world_size=2)
made = []
muon.orthogonal = lambda matrix: (made.append(tuple(matrix.shape)), orthogonal(matrix))[1]
torch.manual_seed(0)
model = Small()
learn(model, build_optimizer(model, CONFIG), 3)
torch.save((made, model.state_dict()), f"{sys.argv[2]}/{sys.argv[3]}.pt")
"""


def test_two_processes_share_the_work_and_end_where_one_does(tmp_path):
    tests = str(Path(__file__).resolve().parents[1])
    commands = [[sys.executable, "-c", TWO, tests, str(tmp_path), rank] for rank in "01"]
    both = [subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) for command in commands]
    assert [process.wait(120) for process in both] == [0, 0]
    torch.manual_seed(0)
    model = Small()
    learn(model, build_optimizer(model, CONFIG), 3)
    (one, first), (other, second) = (torch.load(tmp_path / f"{rank}.pt") for rank in "01")
    assert sorted({*one, *other}) == [(6, 8), (8, 27)]
    assert (len(one), len(other)) == (3, 3)  # of the two matrices one each, in three steps
    for name, value in model.state_dict().items():
        assert torch.equal(value, first[name]), name
        assert torch.equal(value, second[name]), name


def test_the_costly_matrices_are_shared_out_first():
    matrices = [torch.zeros(shape) for shape in ((2, 9), (32, 40), (8, 8), (40, 32), (16, 99))]
    assert shares(matrices, 2) == [1, 0, 1, 1, 0]
    assert shares(matrices, 1) == [0] * 5
    assert set(shares(matrices, 5)) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("damage", ["kind", "shape", "name"])
def test_a_state_of_another_kind_is_refused(damage):
    model = Small()
    optimizer = build_optimizer(model, CONFIG)
    learn(model, optimizer, 1)
    state = optimizer.state_dict()
    which = next(k for k, v in state["state"].items() if "momentum" in v)
    if damage == "shape":
        state["state"][which]["momentum"] = torch.zeros(2)
    if damage == "name":
        state["state"][which] = {"step": 1, "other": state["state"][which]["momentum"]}
    wanted = OptimizerConfig() if damage == "kind" else CONFIG
    with pytest.raises(UserError, match=r"does not fit the model; set optimizer\.kind"):
        restore_optimizer(build_optimizer(Small(), wanted), state, "state-1.pt")


def test_what_only_adamw_can_is_refused_at_once(tmp_path):
    for setting, named in (
        (TrainConfig(strategy="fsdp"), "strategy=fsdp"),
        (TrainConfig(moments="mapped"), "moments="),
    ):
        check_optimizer(OptimizerConfig(), setting)
        with pytest.raises(UserError, match=named):
            check_optimizer(CONFIG, setting)
        with pytest.raises(UserError, match=named):
            JobConfig(train=setting, optimizer=CONFIG)
    with pytest.raises(UserError, match=r"optimizer\.kind is 'sgd'"):
        OptimizerConfig(kind="sgd")
    assert not isinstance(build_optimizer(Small(), CONFIG, tmp_path), MappedAdamW)
    assert isinstance(build_optimizer(Small(), OptimizerConfig(), tmp_path), MappedAdamW)


def test_of_a_canvas_world_all_but_outputs_and_the_actor_is_turned():
    model = make(actor=8)
    names = turned(model, build_optimizer(model, CONFIG))
    assert {"prior.flat.weight", "prior.memory.weight_ih_l0", "painter.network.enter.weight"} <= names
    matrices = {name for name, p in model.named_parameters() if p.ndim >= 2}
    spared = {"prior.logits.weight", "prior.action.weight", "painter.action.weight", "painter.network.leave.weight"}
    assert matrices - names == spared | {name for name in matrices if name.startswith("actor.")}


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path):
    optimizer = OptimizerConfig(1e-2, kind="muon")
    train(tmp_path / "whole", CONFIG_OF_RUN, optimizer=optimizer)
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", CONFIG_OF_RUN, data=interrupt_at(6), optimizer=optimizer)
    train(tmp_path / "parts", CONFIG_OF_RUN, model=new_model(seed=5), optimizer=optimizer)
    assert_same_files(tmp_path / "whole", tmp_path / "parts", 12)
    with pytest.raises(UserError, match=r"set optimizer\.kind"):
        train(tmp_path / "parts", replace(CONFIG_OF_RUN, num_train_steps=14))
