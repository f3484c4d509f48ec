"""A learner without a data set under the driver: two networks, an optimiser each, on a bandit that it plays itself."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from genieredux.errors import UserError
from genieredux.models.checkpoint import CheckpointData, Section, load_model, read_tensors
from genieredux.runs import RunFolder
from genieredux.training import Check, Interrupted, ModelFile, Step, drive
from genieredux.training.config import LogConfig, LoopConfig
from toy_runs import assert_same, without_measurements

LOOP = LoopConfig(num_train_steps=12, save_model_every=4, validate_every=6, log_every=3, keep_last=2)
PAYS = torch.tensor([0.1, 0.9, 0.3, 0.2])


class Bandit:
    """An actor by policy gradient, a critic by regression, and how often each arm was pulled."""

    kind = "bandit"
    config: Mapping[str, Any] = {"arms": 4}
    device = torch.device("cpu")

    def __init__(self, at: Callable[[int], None] = lambda k: None) -> None:
        torch.manual_seed(0)
        self.nets = nn.ModuleDict({"actor": nn.Linear(1, 4), "critic": nn.Linear(1, 1)})
        self.optimizers = {name: torch.optim.Adam(net.parameters(), 0.05) for name, net in self.nets.items()}
        self.pulls = torch.zeros(4, dtype=torch.int64)
        self.at, self.closed = at, False

    def about(self) -> dict[str, Any]:
        return {"arms": 4}

    def step(self, k: int, elapsed: float) -> Step:
        self.at(k)
        noise = torch.Generator().manual_seed(k)
        one = torch.ones(16, 1)
        logits, value = self.nets["actor"](one), self.nets["critic"](one)[:, 0]
        arms = torch.multinomial(logits.softmax(-1), 1, generator=noise)[:, 0]
        reward = (torch.rand(16, generator=noise) < PAYS[arms]).float()
        chosen = logits.log_softmax(-1).gather(1, arms[:, None])[:, 0]
        loss = -(chosen * (reward - value.detach())).mean() + (reward - value).square().mean()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        self.pulls += torch.bincount(arms, minlength=4)
        return Step({"loss": loss.detach(), "reward": reward}, {"k": float(k)}, {"pulls": 16})

    def validate(self, k: int) -> Check:
        with torch.no_grad():
            return Check({"loss": 1 - float((self.nets["actor"](torch.ones(1, 1)).softmax(-1) * PAYS).sum())})

    def model(self, k: int) -> ModelFile:
        actor = Section("actor", {}, dict(self.nets["actor"].state_dict()))
        return ModelFile(
            self.kind, self.config, self.nets.state_dict(), {"best": int(self.pulls.argmax())}, {"a": actor}
        )

    def state(self) -> dict[str, Any]:
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "pulls": self.pulls,
        }

    def restore(self, model: CheckpointData, state: Mapping[str, Any]) -> None:
        self.nets.load_state_dict(model.state_dict)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.pulls.copy_(state["pulls"])

    def close(self) -> None:
        self.closed = True


def play(folder: Path, loop: LoopConfig = LOOP, at: Callable[[int], None] = lambda k: None, log: bool = False) -> Any:
    learner = Bandit(at)
    try:
        return drive(learner, loop, RunFolder(folder), log=LogConfig(tensorboard=log))
    finally:
        assert learner.closed


class Killed(BaseException):
    """What no `except` of the loop may catch."""


def kill_at(step: int) -> Callable[[int], None]:
    def at(k: int) -> None:
        if k == step:
            raise Killed

    return at


def test_it_learns_and_leaves_what_a_run_leaves(tmp_path: Path) -> None:
    result = play(tmp_path, replace(LOOP, num_train_steps=150, save_model_every=50), log=True)
    data = load_model(result.model_path, expect="bandit")
    assert data.metadata == {"best": 1}
    assert data.section("a").kind == "actor"
    assert load_model(result.best_path).step % 6 == 0
    assert sorted(path.name for path in tmp_path.glob("state-*.pt")) == ["state-100.pt", "state-150.pt"]
    assert list((tmp_path / "tensorboard").glob("events*"))
    rewards = [record["reward"] for record in result.history if record["event"] == "train"]
    assert rewards[-1] > rewards[0]
    assert {"pulls_per_s", "steps_per_s", "k"} <= result.history[0].keys()
    assert RunFolder(tmp_path).records("start")[0]["arms"] == 4


@pytest.mark.parametrize("stop", ["killed", "terminated"])
def test_stopped_and_gone_on_with_equals_uninterrupted(tmp_path: Path, stop: str) -> None:
    whole = play(tmp_path / "whole")
    at = kill_at(7) if stop == "killed" else lambda k: os.kill(os.getpid(), signal.SIGTERM) if k == 7 else None
    with pytest.raises(Killed if stop == "killed" else Interrupted):
        play(tmp_path / "parts", at=at)
    assert (tmp_path / "parts/model-4.pt").is_file()
    parts = play(tmp_path / "parts")
    assert without_measurements(whole.history) == without_measurements(parts.history)
    for name in ("model-12.pt", "state-12.pt", "model-best.pt"):
        assert_same(read_tensors(tmp_path / "whole" / name), read_tensors(tmp_path / "parts" / name), name)


def test_a_scalar_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    def spoil(k: int) -> None:
        if k == 5:
            with torch.no_grad():
                learner.nets["critic"].weight.fill_(float("nan"))

    learner = Bandit(spoil)
    with pytest.raises(UserError, match="not finite at step 5"):
        drive(learner, LOOP, RunFolder(tmp_path), log=LogConfig(tensorboard=False))


def test_a_refused_run_leaves_no_folder(tmp_path: Path) -> None:
    for resume in ("previous", str(tmp_path / "elsewhere/model-3.pt"), "nonsense"):
        with pytest.raises(UserError):
            play(tmp_path / "run", replace(LOOP, resume=resume))
        assert not (tmp_path / "run").exists()
