"""The small parts of the loop: batches ahead, randomness, averages, devices, meters, progress, signals."""

import io
import logging
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch import nn

from genieredux.models.types import Batch, Losses
from genieredux.nn.precision import autocast, choose_precision, cpu_bf16_speedup
from genieredux.runs import RunFolder
from genieredux.runs.progress import ProgressLine, clock
from genieredux.training.clips import make_samplers
from genieredux.training.config import TrainConfig
from genieredux.training.fakes import FakeData
from genieredux.training.loop.ema import WeightAverage
from genieredux.training.loop.learner import Step
from genieredux.training.loop.logs import Meter
from genieredux.training.loop.randomness import Part, derive_seed, generator_for
from genieredux.training.loop.recorder import Recorder
from genieredux.training.loop.signals import Interrupted, StopRequest
from genieredux.training.loop.validation import validation_means
from genieredux.training.machine.devices import make_fabric
from genieredux.training.sources import _levels

CPU = torch.device("cpu")


def test_a_batch_scales_bytes_where_it_goes():
    batch = Batch(frames=torch.tensor([0, 51, 255], dtype=torch.uint8)).to(CPU)
    assert batch.frames.dtype == torch.float32
    assert torch.allclose(batch.frames, torch.tensor([0.0, 0.2, 1.0]))
    floats = torch.rand(3)
    assert torch.equal(Batch(frames=floats).to(CPU).frames, floats)


def test_every_place_in_a_run_has_its_own_seed():
    places = [
        (s, p, a, b, r) for s in (0, 1) for p in ("train", "validate") for a in (1, 2) for b in (0, 1) for r in (0, 1)
    ]
    seeds = [derive_seed(*place) for place in places]
    assert len(set(seeds)) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generator_depends_on_no_history():
    part = Part(2, micro=1, micros=2)
    first = torch.rand(3, generator=generator_for(CPU, 0, "train", 7, part))
    first_global = torch.rand(3)
    torch.rand(100)
    assert torch.equal(first, torch.rand(3, generator=generator_for(CPU, 0, "train", 7, part)))
    assert torch.equal(first_global, torch.rand(3))


def test_average_follows_and_swaps():
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(5.0)
    average.update()
    expected = 1.0 * (2 / 11) + 3.0 * (9 / 11)  # the decay begins at (1 + 1) / (10 + 1)
    assert torch.allclose(average.values["weight"], torch.tensor(expected))
    assert torch.equal(average.values["running_mean"], model.running_mean)  # buffers are copied
    with average.in_place():
        assert torch.allclose(model.weight, torch.tensor(expected))
    assert torch.equal(model.weight, torch.full((2,), 3.0))


def test_average_restores():
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        model.weight.add_(1)
    average.update()
    other = WeightAverage(model, 0.5)
    other.restore(average.state())
    assert other.updates == 1
    assert torch.equal(other.values["weight"], average.values["weight"])


def test_precision():
    assert choose_precision("32", CPU) == "32"
    assert choose_precision("bf16", CPU) == "bf16"
    assert choose_precision("auto", CPU) in ("32", "bf16")
    assert 0.01 < cpu_bf16_speedup() < 100
    with autocast("bf16", CPU):
        assert nn.Linear(2, 2)(torch.ones(2)).dtype == torch.bfloat16
    with autocast("32", CPU):
        assert nn.Linear(2, 2)(torch.ones(2)).dtype == torch.float32


def test_one_process_needs_no_launch():
    fabric = make_fabric(TrainConfig(accelerator="cpu"))
    assert (fabric.world_size, fabric.global_rank) == (1, 0)


def test_meter_means_and_carries_over():
    fabric = make_fabric(TrainConfig(accelerator="cpu"))
    whole, first, second = Meter(), Meter(), Meter()
    for value in (1.0, 2.0):
        whole.add({"loss": torch.tensor(value)})
    first.add({"loss": torch.tensor([1.0, 2.0])})  # two observations at once
    second.restore(first.state(fabric), CPU)
    for meter in (whole, second):
        meter.add({"loss": torch.tensor(6.0)})
    assert whole.take(fabric) == second.take(fabric) == {"loss": 3.0}
    assert whole.take(fabric) == {}


class Pair:
    """Two processes of which the other has seen twice as much of everything."""

    world_size = 2

    def all_reduce(self, value: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "mean"
        return (value + 2 * value) / 2


def test_a_meter_carries_over_what_all_processes_saw():
    meter, later = Meter(), Meter()
    meter.add({"loss": torch.tensor([1.0, 2.0])})
    later.restore(meter.state(Pair()), CPU)  # type: ignore[arg-type]
    assert later.take(make_fabric(TrainConfig(accelerator="cpu"))) == {"loss": 2.25}


def test_rates_are_those_of_training_alone(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    cfg = TrainConfig(accelerator="cpu")
    recorder = Recorder(RunFolder("unused"), cfg, cfg, make_fabric(cfg), "fake", None)
    now[0] += 3
    with recorder.aside():
        now[0] += 50
    now[0] += 1
    for _ in range(8):
        recorder.add(Step({}, counts={"frames": 1}, flops=3.0))
    assert recorder._rates.take(ceiling=12.0) == {"steps_per_s": 2.0, "frames_per_s": 2.0, "mfu": 0.5}


def test_plain_lines_off_the_terminal(caplog):
    with (
        caplog.at_level(logging.INFO),
        ProgressLine("train x", 100, console=Console(file=io.StringIO())) as progress,
    ):
        progress.update(50, 10.0, 5.0, "loss 0.1")
        progress.update(51, 10.2, 5.0, "loss 0.1")  # too soon for another line
        progress.update(100, 20.0, 5.0, "loss 0.05", last=True)
    assert [record.message for record in caplog.records] == [
        "train x  50% · step 50/100 · loss 0.1 · 5 steps/s · 0:10 left",
        "train x 100% · step 100/100 · loss 0.05 · 5 steps/s · 0:00 left",
    ]


def test_a_bar_on_a_terminal():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with ProgressLine("train x", 100, time_limit_s=20.0, console=console) as progress:
        progress.update(10, 10.0, 1.0, "loss 0.1")
    assert "50%" in screen.getvalue()
    assert "0:10 left" in screen.getvalue()


def test_clock():
    assert [clock(s) for s in (5, 65, 3725, float("inf"))] == ["0:05", "1:05", "1:02:05", "?"]


def test_stop_request_remembers_and_lets_go():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert stop.signum is None
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signum == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_exit_codes(signum, code):
    assert Interrupted(signum, "x", 1).code == code


def test_fake_data_is_pure():
    assert torch.equal(FakeData().batch(3).frames, FakeData().batch(3).frames)
    assert not torch.equal(FakeData().batch(3).frames, FakeData().batch(2).frames)


def test_a_validation_is_of_all_its_clips_each_with_noise_of_its_own():
    asked, noise = [], []

    def batch(k):
        asked.append(k)
        return Batch(frames=torch.zeros(2, 1, 3, 1, 1))

    def forward(made, generator):
        noise.append(torch.rand(4, generator=generator))
        return Losses(torch.tensor(float(asked[-1])), {})

    cfg = SimpleNamespace(max_valid_size=7, batch_size=2, seed=5)
    means = validation_means(forward, SimpleNamespace(batch=batch), cfg, Fabric(accelerator="cpu", devices=1))
    assert asked == [0, 1, 2, 3]
    assert means["loss"] == 1.5
    for k, drawn in enumerate(noise):
        generator = generator_for(CPU, 5, "validate", k + 1, Part(2, rank=0, ranks=1))
        assert torch.equal(drawn, torch.rand(4, generator=generator))


def test_validation_clips_are_the_same_whatever_the_seed():
    cfg = SimpleNamespace(num_frames=3, batch_size=8)
    (one, held_one), (other, held_other) = (make_samplers([40] * 9, [40] * 9, cfg, seed) for seed in (1, 2))
    assert all(np.array_equal(*pair) for pair in zip(held_one.batch_arrays(0), held_other.batch_arrays(0), strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(one.batch_arrays(0), other.batch_arrays(0), strict=True))


def test_a_level_of_one_game_is_none_of_another():
    class Index(list):
        index = pa.table({"game": ["a", "b", "a", "b", "a"], "instance": [1, 1, 2, 2, 2]})

    levels = _levels(Index(range(5)))
    assert len(set(levels.tolist())) == 4
    assert levels[2] == levels[4]
