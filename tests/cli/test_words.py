"""A value is what a person typed: names and paths letter for letter, numbers as numbers, own files by their paths."""

from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config
from genieredux.cli.main import run
from genieredux.cli.play import PlayCommand
from genieredux.cli.schemas import GenieReduxCommand
from genieredux.cli.words import read
from genieredux.errors import UserError

ODD = [
    "été",
    "a,b",
    "[1]",
    "{a: b}",
    "it's",
    '"quoted"',
    "#1",
    "back\\slash",
    " spaces ",
    "日本語",
    "$HOME",
    "${train.batch_size}",
    "${",
    "\\${x}",
    "a=b",
    "epoch=3/model-30.pt",
    "run (1)/w.pt",
    "2024_01_05",
    "1e3",
    "1.10",
    "0x10",
    "007",
    "true",
    "on",
    "*x",
    "- a",
    "a: b",
    "!tag",
    "%",
    "???",
    "",
    "line\nbreak",
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words: str) -> GenieReduxCommand:
    return compose_config("genie_redux", GenieReduxCommand, list(words))


@pytest.mark.parametrize("text", ODD)
def test_text_is_taken_letter_for_letter(text: str) -> None:
    found = command(f"run_name={text}", f"--eval.model_fpath={text}", f"train.dataset_name={text}")
    assert (found.run_name, found.eval.model_fpath, found.train.dataset_name) == (text, text, text)
    assert compose_config("play", PlayCommand, [f"world={text}"]).world == text


def test_null_is_nothing_where_nothing_is_allowed_and_a_text_elsewhere() -> None:
    found = command("tokenizer_fpath=null", "run_name=null")
    assert (found.tokenizer_fpath, found.run_name) == (None, "null")


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    found = command("checkpoints_dpath=~/c", "train.dataset_root_dpath=~", "run_name=~x", "eval.save_root_dpath=a/~/b")
    assert (found.checkpoints_dpath, found.train.dataset_root_dpath) == ("/home/someone/c", "/home/someone")
    assert (found.run_name, found.eval.save_root_dpath) == ("~x", "a/~/b")
    assert compose_config("play", PlayCommand, ["world=~/m/world.pt"]).world == "/home/someone/m/world.pt"
    assert read(["~/d"]).paths == ["/home/someone/d"]


def test_numbers_are_read_by_their_type() -> None:
    found = command("train.num_train_steps=1e6", "train.batch_size=0x10", "train.ema_decay=.5", "train.seed=1_000")
    assert (found.train.num_train_steps, found.train.batch_size) == (1_000_000, 16)
    assert (found.train.ema_decay, found.train.seed) == (0.5, 1000)
    assert command("tokenizer.codebook_size=1e3").tokenizer["codebook_size"] == 1000
    for word, value in {"on": True, "No": False, "TRUE": True, "off": False}.items():
        assert command(f"train.compile={word}").train.compile is value


def test_the_last_word_counts() -> None:
    assert command("train.batch_size=2", "train.batch_size=5").train.batch_size == 5


@pytest.mark.parametrize(
    ("words", "paths", "values"),
    [
        (["./date=2024", "name=a"], ["./date=2024"], {"name": "a"}),
        (["/x/name=1", "name=1.10"], ["/x/name=1"], {"name": "1.10"}),
        (["d", "--name=b=c"], ["d"], {"name": "b=c"}),
    ],
)
def test_a_path_may_hold_an_equals_sign(words: list[str], paths: list[str], values: dict[str, str]) -> None:
    found = read(words, "genieredux.episodes.interchange:VideoConfig")
    assert (found.paths, found.values) == (paths, values)


def test_a_file_whose_name_looks_like_a_setting(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "epoch=3.pt").write_bytes(b"nothing")
    assert run(["checkpoint", "info", "epoch=3.pt"]) == 2
    assert "epoch=3.pt" in capsys.readouterr().err
    assert run(["data", "import-videos", "date=2024", "name=x"]) == 2
    assert "no key 'date'" in capsys.readouterr().err
    (elsewhere / "date=2024").mkdir()
    assert run(["data", "import-videos", "date=2024", "name=x"]) == 2
    assert "date=2024" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a b", "x=1", "it's #1 [a], ${b}", "été"])
def test_the_working_folder_may_have_any_name(name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = elsewhere / name / "configs" / "genie_redux" / "config"
    folder.mkdir(parents=True)
    (folder / "mine one.yaml").write_text("# @package _global_\nrun_name: 2024_01\ntrain: {dataset_name: 1.10}\n")
    monkeypatch.chdir(elsewhere / name)
    found = command("config=mine one")
    assert (found.run_name, found.train.dataset_name) == ("2024_01", "1.10")


def test_a_configuration_by_its_path(elsewhere: Path) -> None:
    (elsewhere / "config.yaml").write_text("model: lam\nrun_name: on\ntrain: {batch_size: 3}\nmodel_path: a.pt\n")
    found = command("config=config.yaml", "train.grad_accum=4")
    assert (found.model, found.run_name, found.model_fpath) == ("lam", "on", "a.pt")
    assert (found.train.batch_size, found.train.grad_accum, found.tokenizer) == (3, 4, {})
    assert command(f"config={elsewhere}/config.yaml", "eval=papers").eval.inference_steps == 25


def test_a_run_goes_on_from_its_own_configuration(elsewhere: Path) -> None:
    from genieredux.runs import RunFolder

    first = command("config=presets/tiny/dynamics", "run_name=${x} 1.10", "eval.horizon=7")
    RunFolder(elsewhere / "run").begin(first)
    assert command(f"config={elsewhere}/run/config.yaml") == first


def test_what_users_of_hydra_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("+train.seed=3", "++train.batch_size=2").train.seed == 3
    assert command("config=tokenizer", "~train.batch_size").train.batch_size == 6
    assert command("-cn", "tokenizer").run_name == command("--config-name=tokenizer").run_name == "tokenizer"
    with pytest.raises(SystemExit) as done:
        command("config=tokenizer", "train.seed=3", "--cfg", "job")
    assert done.value.code == 0
    assert "  seed: 3\n" in capsys.readouterr().out
    for word, said in {
        "-m": "loop in the shell",
        "--multirun": "loop in the shell",
        "--config-dir=x": "config=PATH",
        "--verbose": "no option '--verbose'",
        "~train.sead": "did you mean 'train.seed'",
    }.items():
        with pytest.raises(UserError, match=said):
            command(word)


def test_a_word_that_is_too_long_for_a_path_is_an_unknown_key() -> None:
    splits = ",".join(["{name: train, variant: random}"] * 300)
    with pytest.raises(UserError, match=r"connector\.splits"):
        read([f"connector.splits=[{splits}]"], "genieredux.cli.generate:GenerateCommand")
