"""`genieredux doctor`."""

from pathlib import Path

import pytest

from genieredux.cli.main import run


def test_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("python", "torch", "cores", "memory:", "disk here:", "ROMs:"):
        assert word in said


def test_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    words = "doctor config=presets/tiny/tokenizer train.batch_size=2 train.accelerator=cpu train.precision=32"
    assert run(words.split()) == 0
    said = capsys.readouterr().out
    for word in ("trained parameters", "a step:", "3,000 steps:", "memory:", "checkpoints:"):
        assert word in said
    assert "no data set here; to make it: genieredux generate config=quickstart/coinrun" in said
    assert not list(tmp_path.iterdir())


def test_errors_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "train.batch_size=3"]) == 2
    assert "add config=NAME" in capsys.readouterr().err
    assert run(["doctor", "config=presets/tiny/tokeniser"]) == 2
    assert "nearest" in capsys.readouterr().err
