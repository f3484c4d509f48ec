"""What a run finds on the disk: a choice that was measured, a state that was spoilt, a disk that is full."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genieredux.errors import UserError
from genieredux.models.checkpoint import read_tensors, write_tensors
from genieredux.runs import RunFolder
from genieredux.training import run as running
from toy_runs import CONFIG, train


def test_a_measured_precision_is_written_down_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the first checkpoint, the run goes on with the precision it was begun with."""
    monkeypatch.setattr(running, "choose_precision", lambda wanted, device: "bf16")
    cfg = replace(CONFIG, precision="auto")

    class Dies(Exception):
        pass

    def die(model: Any, step: int) -> Any:
        raise Dies

    with pytest.raises(Dies):
        train(tmp_path, replace(cfg, validate_every=1), looks=(die,))
    assert not list(tmp_path.glob("model-*.pt"))
    monkeypatch.setattr(running, "choose_precision", lambda wanted, device: "32")
    train(tmp_path, cfg)
    assert read_tensors(tmp_path / "state-12.pt")["values"]["precision"] == "bf16"
    train(tmp_path / "other", cfg)
    assert read_tensors(tmp_path / "other/state-12.pt")["values"]["precision"] == "32"


def cut_moment(values: dict[str, Any]) -> None:
    moments = values["optimizer"]["state"][0]
    moments["exp_avg"] = moments["exp_avg"].flatten()[:1]


def grow_moment(values: dict[str, Any]) -> None:
    moments = values["optimizer"]["state"][1]
    moments["exp_avg_sq"] = torch.zeros(10_000)


SPOILT: dict[str, Any] = {
    "shorter moment": cut_moment,
    "longer moment": grow_moment,
    "moment of whole numbers": lambda v: v["optimizer"]["state"][0].update(exp_avg=torch.zeros(1, dtype=torch.int64)),
    "no step": lambda v: v["optimizer"]["state"][0].pop("step"),
    "parameter that is not there": lambda v: v["optimizer"]["state"].update({999: v["optimizer"]["state"][0]}),
    "groups": lambda v: v["optimizer"].update(param_groups=7),
    "no optimiser": lambda v: v.update(optimizer=None),
    "precision": lambda v: v.update(precision="8"),
    "recipe": lambda v: v.update(recipe=[1]),
    "weights": lambda v: v.update(weights={"encode.weight": torch.zeros(2)}),
    "average": lambda v: v.update(average={"updates": "many"}),
    "meter": lambda v: v.update(meter={"sums": {"loss": "much"}, "counts": {}}),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_state_is_one_line(tmp_path: Path, name: str) -> None:
    train(tmp_path, replace(CONFIG, num_train_steps=4))
    path = tmp_path / "state-4.pt"
    payload = read_tensors(path)
    SPOILT[name](payload["values"])
    write_tensors(path, payload)
    with pytest.raises(UserError):
        train(tmp_path)


@pytest.mark.parametrize(
    "spoil", [{"position": 3}, {"position": {"step": "x"}}, {"values": 1}, {"format_version": "x"}]
)
def test_a_spoilt_head_is_one_line(tmp_path: Path, spoil: dict[str, Any]) -> None:
    train(tmp_path, replace(CONFIG, num_train_steps=4))
    path = tmp_path / "state-4.pt"
    write_tensors(path, read_tensors(path) | spoil)
    with pytest.raises(UserError, match=r"state-4\.pt"):
        train(tmp_path)


def test_other_settings_inside_a_state_are_not_taken(tmp_path: Path) -> None:
    """They would choose another algorithm."""
    train(tmp_path, replace(CONFIG, num_train_steps=4))
    path = tmp_path / "state-4.pt"
    payload = read_tensors(path)
    for group in payload["values"]["optimizer"]["param_groups"]:
        group["amsgrad"] = True
    write_tensors(path, payload)
    assert train(tmp_path).last_step == 12


def test_a_full_disk_is_one_line_and_leaves_whole_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path, replace(CONFIG, num_train_steps=4))
    from genieredux.training.loop import drive

    def full(path: Path, *args: Any, **more: Any) -> Path:
        raise UserError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr(drive, "save_model", full)
    with pytest.raises(UserError, match="disk is full"):
        train(tmp_path, replace(CONFIG, validate_every=100))
    assert sorted(path.name for path in tmp_path.glob("*-*.pt")) == ["model-4.pt", "model-best.pt", "state-4.pt"]
    assert not list(tmp_path.glob(".*unfinished*"))


def test_a_log_line_that_does_not_fit_leaves_no_part_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path)
    run.log("train", step=1)
    before = run.log_path.read_bytes()
    real = open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *of: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> None:
            self.file.write(content[:5])
            self.file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.open", lambda *args, **more: Full(real(*args, **more)))
    with pytest.raises(UserError, match="disk is full"):
        run.log("train", step=2)
    monkeypatch.undo()
    assert run.log_path.read_bytes() == before
