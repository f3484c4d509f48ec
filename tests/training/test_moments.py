"""Moments of AdamW in a mapped file: the same numbers, files and resumes as in memory, and what it refuses."""

import errno
import gc
import os
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from genieredux.errors import UserError
from genieredux.models.tensor_file import read_tensors, write_tensors
from genieredux.nn.memory import let_go_of_mapped
from genieredux.training import Interrupted
from genieredux.training.config import MachineConfig, OptimizerConfig, TrainConfig
from genieredux.training.fakes import FakeData
from genieredux.training.loop import saves
from genieredux.training.loop.optimizer import build_optimizer
from genieredux.training.machine import moments
from genieredux.training.machine.moments import MappedTensors, moments_folder
from toy_runs import CONFIG, assert_same, assert_same_files, interrupt_at, new_model, train, without_measurements


@pytest.fixture
def everything_mapped(monkeypatch):
    """Toy parameters are small: map them all, in pieces."""
    monkeypatch.setattr(moments, "LEAST", 1)
    monkeypatch.setattr(moments, "PIECE", 1024)


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Linear(600, 301)  # several pieces and a rest
        self.picture = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        self.unused = nn.Parameter(torch.ones(3000))


def updated(mapped: bool, folder, steps: int = 5, state=None):
    torch.manual_seed(0)
    model = Layers()
    optimizer = build_optimizer(model, OptimizerConfig(learning_rate=1e-2), folder if mapped else None)
    if state is not None:
        optimizer.load_state_dict(state)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        out = model.wide(torch.rand(4, 600, generator=generator)).square().sum()
        (out + model.picture(torch.rand(2, 3, 8, 8, generator=generator)).square().sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
        let_go_of_mapped()  # nothing that was written is lost
    return model.state_dict(), optimizer.state_dict()


def test_mapped_and_in_memory_are_the_same_bits(everything_mapped, tmp_path):
    weights, state = updated(False, tmp_path)
    assert_same(updated(True, tmp_path)[0], weights, "weights")
    mapped = updated(True, tmp_path)[1]
    assert_same(mapped["state"], state["state"], "state")
    assert any(p.numel() >= 3000 for p in weights.values())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_state_goes_from_one_to_the_other(everything_mapped, tmp_path, first):
    _, state = updated(first, tmp_path)
    torch.save(state, tmp_path / "state")
    ways = [updated(mapped, tmp_path, 3, torch.load(tmp_path / "state")) for mapped in (True, False)]
    assert_same(ways[0][0], ways[1][0], "weights")
    assert_same(ways[0][1]["state"], ways[1][1]["state"], "state")


def test_a_mapped_run_equals_one_in_memory_also_when_interrupted(everything_mapped, tmp_path):
    memory = train(tmp_path / "memory", replace(CONFIG, moments="ram"))
    mapped = replace(CONFIG, moments="mapped")
    train(tmp_path / "mapped", mapped)
    assert_same_files(tmp_path / "memory", tmp_path / "mapped", 12)
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", mapped, data=interrupt_at(6))
    parts = train(tmp_path / "parts", mapped, model=new_model(seed=5))
    assert_same_files(tmp_path / "memory", tmp_path / "parts", 12)
    assert without_measurements(memory.history) == without_measurements(parts.history)


def test_a_run_goes_on_with_moments_elsewhere(everything_mapped, tmp_path):
    """Where they are is no part of what a run is."""
    train(tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", replace(CONFIG, moments="mapped"), data=interrupt_at(6))
    train(tmp_path / "parts", replace(CONFIG, moments="ram"))
    assert_same_files(tmp_path / "whole", tmp_path / "parts", 12)


def files_in_memory() -> int:
    """MiB of files that are mapped into this process and there."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssFile:")).split()[1]) // 1024


def test_mapped_tensors_are_written_one_after_another(monkeypatch, tmp_path):
    """All of them together would be in memory else while a checkpoint is written."""
    room = MappedTensors(tmp_path, [2 * 2**20] * 12)  # 8 MiB each
    for tensor in room.tensors:
        tensor.fill_(3)
    let_go_of_mapped()
    before, highest = files_in_memory(), []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (highest.append(files_in_memory()), real(file))[1])
    write_tensors(tmp_path / "state.pt", {"tensors": list(room.tensors)})
    assert highest
    assert max(highest) < before + 32
    assert all((tensor == 3).all() for tensor in read_tensors(tmp_path / "state.pt")["tensors"])


@pytest.mark.parametrize("place", ["ram", "mapped"])
def test_a_large_state_is_mapped_and_then_needed_no_longer(everything_mapped, monkeypatch, tmp_path, place):
    """Whatever becomes of the file after the run has gone on from it, the run is the same."""

    class Spoiling(FakeData):
        def batch(self, k):
            path = tmp_path / "parts" / "state-4.pt"
            if k >= 4:  # batch 0 is looked at before anything is read
                path.write_bytes(bytes(path.stat().st_size))  # the very bytes that were mapped
            return super().batch(k)

    train(tmp_path / "whole")
    monkeypatch.setattr(saves, "MAPPED_FROM_BYTES", 1)
    cfg = replace(CONFIG, moments=place)
    train(tmp_path / "parts", replace(cfg, num_train_steps=4))
    train(tmp_path / "parts", cfg, data=Spoiling())
    assert_same_files(tmp_path / "whole", tmp_path / "parts", 12)


def test_auto_maps_what_is_large_where_memory_is_spared(monkeypatch, tmp_path):
    model, deep = nn.Linear(10, 10), tmp_path / "not" / "there"
    assert moments_folder(model, MachineConfig(activation_checkpointing=True), tmp_path) is None
    monkeypatch.setattr(moments, "MAPPED_FROM_BYTES", 100)
    assert moments_folder(model, MachineConfig(activation_checkpointing=True), deep) == tmp_path.resolve()
    assert moments_folder(model, MachineConfig(), tmp_path) is None
    assert moments_folder(model, MachineConfig(activation_checkpointing=True, moments="ram"), tmp_path) is None
    assert moments_folder(model.bfloat16(), MachineConfig(activation_checkpointing=True), tmp_path) is None
    with pytest.raises(UserError, match="set it to ram"):
        moments_folder(model, MachineConfig(moments="mapped"), tmp_path)


@pytest.mark.parametrize("values", [{"accelerator": "gpu"}, {"strategy": "fsdp"}])
def test_mapped_is_refused_where_there_is_no_such_memory(values):
    with pytest.raises(UserError, match=r"train\.moments=mapped"):
        TrainConfig(moments="mapped", **values)


def test_a_full_disk_is_one_line_before_anything_is_made(everything_mapped, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UserError, match="full"):
        train(tmp_path / "run", replace(CONFIG, moments="mapped"))
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_lets_go_of_its_checkpoint(monkeypatch, tmp_path):
    """What was read is as large as the model: it must not lie beside it for the rest of the run."""
    train(tmp_path, replace(CONFIG, num_train_steps=4))
    read: list[weakref.ref] = []
    real = saves.load_model

    def load(*arguments, **named):
        data = real(*arguments, **named)
        read.extend(weakref.ref(value) for value in data.state_dict.values())
        return data

    class Looking(FakeData):
        def batch(self, k):
            gc.collect()
            alive.append(sum(one() is not None for one in read))
            return super().batch(k)

    alive: list[int] = []
    monkeypatch.setattr(saves, "load_model", load)
    train(tmp_path, replace(CONFIG, num_train_steps=8), data=Looking())
    assert read
    assert alive[-1] == 0
    assert read_tensors(tmp_path / "state-8.pt")["position"]["step"] == 8
