"""`import genieredux as gr`: light to import, its examples true, and the README's with them."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import genieredux as gr
from genieredux import api
from pages import blocks


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, genieredux as gr; dir(gr); assert not {'torch', 'numpy', 'gymnasium'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_is_there_typed_and_said() -> None:
    for name in gr.__all__:
        assert getattr(gr, name).__doc__
    for name in set(gr.__all__) - {"UserError"}:
        assert inspect.signature(getattr(gr, name)).return_annotation is not inspect.Signature.empty
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        gr.lod  # noqa: B018


def test_the_docstrings_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(api, raise_on_error=True)
    assert result.attempted > 8


def test_the_readme_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    played = gr.generate(
        "coinrun", kind="procgen", name="coinrun", episodes=10, steps=14, levels=10, workers=1, policy="held"
    )
    assert str(played.path) == "datasets/coinrun_v0.0.0"
    names: dict[str, object] = {}
    for code in blocks("README.md", "python"):
        exec(code, names)
    assert "PSNR" in capsys.readouterr().out


def test_what_does_not_fit_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(gr.UserError, match="absent"):
        gr.open_dataset(tmp_path / "absent")
    with pytest.raises(gr.UserError, match=r"did you mean 'eval.horizon'"):
        gr.evaluate("coinrun", tmp_path, horison=3)
    with pytest.raises(gr.UserError, match="did you mean 'train"):
        gr.train("tokenizer", tmp_path / "x", train={"num_train_step": 1})
    with pytest.raises(gr.UserError, match="did you mean held"):
        gr.make_policy("hold", 5)
