"""Going on: resumed equals uninterrupted bit for bit, whatever stopped it; which checkpoint, which changes."""

import signal
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model, plain, plain_defaults, save_model
from genieredux.models.dynamics.canvas.config import CanvasConfig
from genieredux.models.tensor_file import read_tensors
from genieredux.runs import RunFolder
from genieredux.training import Assembled, Interrupted, fit
from genieredux.training.fakes import FakeModel, FakeModelConfig
from genieredux.training.loop import drive
from genieredux.training.loop.saves import Position, Resume
from toy_runs import (
    CONFIG,
    OPTIMIZER,
    assert_same,
    assert_same_files,
    interrupt_at,
    new_model,
    train,
    without_measurements,
)


@pytest.mark.parametrize(
    "change",
    [{}, {"grad_accum": 3, "ema_decay": 0.9}, {"precision": "bf16", "n_data_workers": 3}],
    ids=["plain", "accumulated-and-averaged", "bf16"],
)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, change):
    cfg = replace(CONFIG, **change)
    whole = train(tmp_path / "whole", cfg)
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "parts", cfg, data=interrupt_at(6, grad_accum=cfg.grad_accum))
    assert stopped.value.code == 143
    assert 2 <= stopped.value.step < 12
    parts = train(tmp_path / "parts", cfg, model=new_model(seed=5))  # whatever it was built with is replaced
    assert_same_files(tmp_path / "whole", tmp_path / "parts", 12)
    assert without_measurements(whole.history) == without_measurements(parts.history)
    assert [event["event"] for event in RunFolder(tmp_path / "parts").records("interrupted", "resume")] == [
        "interrupted",
        "resume",
    ]


def test_the_precision_is_that_which_the_run_was_begun_with(tmp_path):
    train(tmp_path, replace(CONFIG, num_train_steps=4, precision="32"))
    train(tmp_path, replace(CONFIG, num_train_steps=8, precision="bf16"))
    assert read_tensors(tmp_path / "state-8.pt")["values"]["precision"] == "32"


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(tmp_path):
    train(tmp_path / "a")
    torch.rand(7)  # global randomness outside does not reach in
    train(tmp_path / "b")
    assert_same_files(tmp_path / "a", tmp_path / "b", 12)
    train(tmp_path / "c", replace(CONFIG, seed=1))
    a, c = (load_model(tmp_path / name / "model-12.pt").state_dict["encode.weight"] for name in "ac")
    assert not torch.equal(a, c)


def test_ctrl_c_says_how_to_go_on(tmp_path, caplog):
    run = RunFolder(tmp_path, command=["/bin/genieredux", "train", "train.resume=never"])
    with pytest.raises(Interrupted) as stopped:
        fit(Assembled(new_model(), interrupt_at(5, signal.SIGINT)), CONFIG, run, OPTIMIZER)
    assert stopped.value.code == 130
    assert stopped.value.command == "genieredux train"
    assert "go on with: genieredux train" in caplog.text
    assert (tmp_path / f"model-{stopped.value.step}.pt").is_file()


def test_a_finished_run_says_so_and_trains_nothing(tmp_path, caplog):
    first = train(tmp_path)
    before = (tmp_path / "model-12.pt").read_bytes()
    again = train(tmp_path)
    assert again.already_finished
    assert (again.model_path, again.best_path, again.last_step) == (first.model_path, first.best_path, 12)
    assert again.history == first.history
    assert "is finished (step 12 of 12)" in caplog.text
    assert (tmp_path / "model-12.pt").read_bytes() == before


def test_the_time_of_all_executions_counts_for_the_limit(tmp_path, monkeypatch):
    """By a clock that goes on a second whenever the driver looks at it: once to begin, once a step."""
    ticks = count()
    monkeypatch.setattr(drive, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    cfg = replace(CONFIG, num_train_steps=1000, validate_every=1000, time_limit_s=5.0)
    first = train(tmp_path, cfg, validation=None)
    assert first.last_step == 5
    longer = replace(cfg, time_limit_s=first.seconds + 3)
    assert train(tmp_path, longer, validation=None).last_step == 8


def test_a_finished_run_goes_on_when_given_more_steps(tmp_path):
    train(tmp_path)
    assert train(tmp_path, replace(CONFIG, num_train_steps=16)).last_step == 16


def test_resume_never_and_by_path(tmp_path):
    train(tmp_path / "a")
    with pytest.raises(UserError, match="already has checkpoints"):
        train(tmp_path / "a", replace(CONFIG, resume="never"))
    train(tmp_path / "b", replace(CONFIG, resume=str(tmp_path / "a" / "model-8.pt")))
    a, b = (read_tensors(tmp_path / name / "model-12.pt") for name in "ab")
    assert_same(a, b, "model")


def test_another_model_configuration_is_named(tmp_path):
    train(tmp_path)
    other = FakeModel(FakeModelConfig(width=32))
    with pytest.raises(UserError, match="was trained with width=16 but the configuration says 32"):
        train(tmp_path, replace(CONFIG, num_train_steps=20), model=other)


@pytest.mark.parametrize("within", [None, "dynamics"])
def test_a_setting_that_is_newer_than_the_run_stands_for_its_default(within, tmp_path):
    def as_held(config):
        return config if within is None else {within: config, "lam_weight": 1.0}

    settings = CanvasConfig(codebook_size=99)
    older = {key: value for key, value in plain(settings).items() if key not in ("actor", "chains")}
    file = load_model(save_model(tmp_path / "model.pt", "genie_redux_guided", as_held(older), {}))
    run, defaults = Resume(file, {}, Position()), as_held(plain_defaults(settings))
    run.check_config(as_held(plain(settings)), defaults)
    for other, said in (
        ({"actor": 10}, "actor"),
        ({"chains": (4,)}, "chains"),
        ({"codebook_size": 256}, "codebook_size"),
    ):
        with pytest.raises(UserError, match=f"was trained with .*{said}"):
            run.check_config(as_held(plain(replace(settings, **other))), defaults)


def test_another_recipe_goes_on_with_a_warning(tmp_path, caplog):
    train(tmp_path)
    train(tmp_path, replace(CONFIG, num_train_steps=14, seed=3))
    assert "was begun with {'seed': 0}" in caplog.text


def test_settings_of_the_optimizer_can_change_on_resume(tmp_path):
    train(tmp_path)
    train(tmp_path, replace(CONFIG, num_train_steps=14), optimizer=replace(OPTIMIZER, weight_decay=0.5))
    groups = read_tensors(tmp_path / "state-14.pt")["values"]["optimizer"]["param_groups"]
    assert groups[0]["weight_decay"] == 0.5


def test_keep_last(tmp_path):
    train(tmp_path, replace(CONFIG, save_model_every=1, keep_last=2))
    assert sorted(p.name for p in tmp_path.glob("*.pt")) == [
        "model-11.pt",
        "model-12.pt",
        "model-best.pt",
        "state-11.pt",
        "state-12.pt",
    ]
