"""`genieredux checkpoint` as a user meets it."""

from pathlib import Path

import pytest
import torch

from compat import published_files as files
from genieredux.cli.main import run
from genieredux.models.checkpoint import load_model
from genieredux.models.world.model import WorldModel


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["checkpoint", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "kind=KIND" in said(["--help"], capsys)
    assert "kind=KIND" in said([], capsys)


def test_from_published_files_to_a_world_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.tokenizer_file(Path())
    files.guided_file(Path(), files.DIM)
    text = said(["info", "guided.pt"], capsys)
    assert "a published file" in text
    assert "lacks              its tokenizer" in text
    assert "lacks              its action embeddings" in text
    text = said(["import", "tokenizer.pt", "kind=tokenizer", "image_size=16"], capsys)
    made = "checkpoints/tokenizer/tokenizer/model-150.pt"
    assert f"Checkpoint {made} (tokenizer, " in text
    words = ["import", "guided.pt", "kind=genie_redux_guided", f"tokenizer={made}", "out=world.pt"]
    text = said([*words, "action_embeddings=new", "action_names=[left,right]"], capsys)
    assert "action embeddings: drawn anew" in text
    assert WorldModel.load("world.pt").action_names == ("left", "right")
    text = said(["info", "world.pt"], capsys)
    assert "left, right" in text
    assert "drawn anew with seed 0" in text
    assert "st_maskgit" in text
    said(["export", "world.pt", "out=hub"], capsys)
    assert "folder" in said(["info", "hub"], capsys)
    said(["import", "hub", "out=again.pt"], capsys)
    assert load_model("again.pt").model.fingerprint == load_model("world.pt").model.fingerprint


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["inform", "a.pt"], "did you mean 'info'"),
        (["info"], "checkpoint info FILE"),
        (["info", "a.pt", "b.pt"], "checkpoint info FILE"),
        (["info", "nowhere.pt"], "nowhere.pt"),
        (["info", "tokenizer.pt", "out=x"], "takes no key"),
        (["import", "nowhere.pt", "kind=tokenizer"], "there is no file nowhere.pt"),
        (["import", "tokenizer.pt"], "kind is missing"),
        (["import", "tokenizer.pt", "kind=lamb"], "kind is 'lamb'"),
        (["import", "tokenizer.pt", "kin=lam"], "did you mean 'kind'"),
        (["import", "tokenizer.pt", "kind=tokenizer", "image_size=big"], "image_size is 'big'"),
        (["import", "tokenizer.pt", "kind=tokenizer", "image_size=[1"], "cannot read"),
        (["import", "tokenizer.pt", "kind=tokenizer", "image_size=15"], "not divisible by patch size 4"),
        (["import", "tokenizer.pt", "kind=tokenizer", "heads=8"], "say heads=4 dim_head=8"),
        (["import", "tokenizer.pt", "kind=genie_redux"], "can be imported as kind=tokenizer"),
        (["import", "guided.pt", "kind=genie_redux_guided"], "tokenizer=FILE"),
        (["export", "tokenizer.pt"], "out is missing; add out=..."),
        (["export", "tokenizer.pt", "out=x"], "was not written by genieredux"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files.tokenizer_file(Path())
    files.guided_file(Path(), 5)
    before = sorted(tmp_path.rglob("*"))
    assert run(["checkpoint", *words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("genieredux: error: ")
    assert expected in message
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_could_run_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": files.tokenizer_state(), "config": Path("a")}, "a.pt")
    assert run(["checkpoint", "import", "a.pt", "kind=tokenizer"]) == 2
    assert "is not opened, since that can run code" in capsys.readouterr().err
