"""A demo's training and evaluation take the cores that there are."""

import os
from dataclasses import replace
from functools import partial

import pytest
import torch

from genieredux.demo.sharing import shared, spread
from genieredux.evaluation.config import EvalJobConfig
from genieredux.training import TrainConfig


@pytest.mark.parametrize(
    ("cores", "batch", "processes"), [(1, 16, 1), (2, 16, 2), (3, 16, 2), (8, 16, 4), (2, 7, 1), (3, 9, 3), (8, 1, 1)]
)
def test_a_demo_divides_its_batches_among_the_cores(
    cores: int, batch: int, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made = shared(TrainConfig(batch_size=batch))
    assert (made.num_processes, made.num_processes * made.batch_size) == (processes, batch)
    assert replace(made, num_processes=1, batch_size=batch) == TrainConfig(batch_size=batch)


@pytest.mark.parametrize(("cores", "processes"), [(1, 1), (2, 2), (64, 4)])
def test_a_demo_measures_with_as_many(cores: int, processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    job = partial(EvalJobConfig, model_fpath="world.pt")
    assert spread(job()) == job(num_processes=processes)
    assert spread(job(num_processes=3)).num_processes == 3
    assert spread(job(accelerator="cuda")).num_processes == 1


def test_a_demo_leaves_alone_what_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    said = TrainConfig(batch_size=16, num_processes=8)
    assert shared(said) is said
    on_gpu = TrainConfig(batch_size=16, accelerator="cuda")
    assert shared(on_gpu) is on_gpu
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    auto = TrainConfig(batch_size=16)
    assert shared(auto) is auto
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert shared(auto) is auto
