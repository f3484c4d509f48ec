"""The folder of a run: appends, survives torn lines, one writer."""

import json
from dataclasses import dataclass, field

import pytest

from genieredux.errors import UserError
from genieredux.runs import RunFolder, describe_environment


@dataclass
class Inner:
    rate: float = 0.1


@dataclass
class Config:
    name: str = "a"
    inner: Inner = field(default_factory=Inner)


def test_making_the_object_touches_no_disk(tmp_path):
    RunFolder(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_begin_records_configuration_and_environment(tmp_path):
    run = RunFolder(tmp_path / "run", command=["genieredux", "train", "x=1"]).begin(Config())
    assert run.config() == {"name": "a", "inner": {"rate": 0.1}}
    (execution,) = run.executions()
    assert execution["command"] == ["genieredux", "train", "x=1"]
    assert execution["versions"]["genieredux"]
    assert execution["hardware"]["cores"] >= 1
    assert "git" in execution
    assert run.media.is_dir()


def test_a_second_execution_appends(tmp_path):
    RunFolder(tmp_path).begin(Config())
    run = RunFolder(tmp_path).begin(Config(name="b"))
    assert len(run.executions()) == 2
    assert run.config()["name"] == "b"
    assert "name: a" in (tmp_path / "config.1.yaml").read_text()
    RunFolder(tmp_path).begin(Config(name="b"))
    assert not (tmp_path / "config.2.yaml").exists()


def test_log_appends_and_skips_torn_lines(tmp_path):
    run = RunFolder(tmp_path)
    run.log("train", step=1, loss=2.0)
    with open(run.log_path, "a") as file:
        file.write('{"event": "train", "st')  # what a kill in mid-write leaves
    run.log("train", step=2, loss=1.0)
    assert [record["step"] for record in run.records("train")] == [1, 2]
    assert run.records("validate") == []


def test_history_counts_a_repeated_step_once(tmp_path):
    run = RunFolder(tmp_path)
    for step, loss in [(1, 3.0), (2, 2.0), (2, 2.5), (3, 1.0)]:
        run.log("train", step=step, loss=loss)
    assert [(r["step"], r["loss"]) for r in run.history("train")] == [(1, 3.0), (2, 2.5), (3, 1.0)]


def test_one_writer_at_a_time(tmp_path):
    with (
        RunFolder(tmp_path).lock(),
        pytest.raises(UserError, match="another process"),
        RunFolder(tmp_path).lock(),
    ):
        pass
    with RunFolder(tmp_path).lock():
        pass


def test_resume_command(tmp_path):
    run = RunFolder(tmp_path, command=["/usr/bin/genieredux", "train", "train.resume=never", "run_name=my run"])
    assert run.resume_command() == "genieredux train 'run_name=my run'"
    assert RunFolder(tmp_path, command=["run.py", "train"]).resume_command() == "python run.py train"


def test_config_of_a_foreign_folder(tmp_path):
    with pytest.raises(UserError, match=r"no config\.yaml"):
        RunFolder(tmp_path).config()


def test_unusable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*run"):
        RunFolder(tmp_path / "file" / "run").begin()


def test_damaged_environment_is_named(tmp_path):
    run = RunFolder(tmp_path)
    run.environment_path.write_text("{")
    with pytest.raises(UserError, match=r"environment\.json"):
        run.executions()


def test_environment_is_plain():
    json.dumps(describe_environment(["x"]))
