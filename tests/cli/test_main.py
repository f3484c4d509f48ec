"""The program as a user meets it: help, exit codes, one line on stderr, nothing written after bad input."""

import subprocess
import sys
from pathlib import Path

import pytest

from genieredux.cli.main import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "genie_redux train" in capsys.readouterr().out
    assert run(["--version"]) == 0
    assert run(["generate", "--help"]) == 0
    assert "quickstart/airstriker" in capsys.readouterr().out
    assert run([]) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["generat"], "did you mean 'generate'"),
        (["train", "config=tokenizer"], "did you mean 'genie_redux train'"),
        (["eval"], "did you mean 'genie_redux eval'"),
        (["info", "x"], "did you mean 'data info' or 'checkpoint info'"),
        (["genie_redux"], "takes a mode, train or eval"),
        (["genie_redux", "training"], "'training'"),
        (["generate", "config=nowhere"], "no configuration 'nowhere'"),
        (["generate", "config.conector.name=x"], "did you mean 'config.connector.name'"),
        (["genie_redux", "train", "train.dataset_name=missing"], "missing"),
        (["genie_redux", "train", "config=quickstart/dynamics"], "no tokenizer at"),
        (["genie_redux", "eval"], "eval.model_fpath"),
        (["play", "world=nothing.pt"], "nothing.pt"),
        (["data", "info", "nothing"], "nothing"),
        (["data", "inform", "nothing"], "data takes an action"),
        (["generate", "config.connector.name=../elsewhere"], "part of a folder's name"),
        (["generate", "config.connector.dname=a/b"], "part of a folder's name"),
        (["generate", "config.connector.image_size=100000"], "at most 4096"),
        (["demo", "num_clips=0"], "num_clips is 0"),
        (
            ["generate", "config.connector.splits=[{name: train, n_sessions: 0}]"],
            "n_sessions is 0; it must be 1 or more",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(words) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("genieredux: error: ")
    assert expected in message
    assert not list(tmp_path.rglob("*"))


def test_run_py_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "generat"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("genieredux: error: there is no verb 'generat'")


@pytest.mark.parametrize("words", [["--help"], ["retroact", "list"], ["data", "info", "d"], ["data", "export", "d"]])
def test_torch_is_not_imported_for_what_needs_no_torch(words: list[str]) -> None:
    code = "import sys; from genieredux.cli.main import run; run(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, timeout=120, check=False)
    assert done.returncode == 0


def test_a_reader_may_leave_before_the_end() -> None:
    program = f"{sys.executable} {ROOT / 'run.py'}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} retroact list | head -1; {program} generate --help | head -0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("game ")


def test_what_happens_is_told_on_stderr() -> None:
    words = ["config.connector.kind=fake", "config.connector.games=[toy]", "config.connector.name=toy"]
    amount = [
        "config.connector.splits=[{name: train, n_sessions: 2}]",
        "config.connector.generator_config.n_steps_max=9",
    ]
    program = [sys.executable, str(ROOT / "run.py"), "generate", *words, *amount]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=True)
    assert "1 of 1 games, " in done.stderr
    assert done.stdout.startswith("datasets/toy_v0.0.0: 2 new episodes")


def test_a_data_set_is_made_and_described(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["config.connector.kind=fake", "config.connector.games=[toy]", "config.connector.name=toy"]
    splits = "config.connector.splits=[{name: train, n_sessions: 2}]"
    assert run(["generate", *words, splits, "config.connector.generator_config.n_steps_max=20"]) == 0
    assert "2 new episodes" in capsys.readouterr().out
    assert run(["data", "info", "datasets/toy_v0.0.0"]) == 0
    assert "toy" in capsys.readouterr().out
    assert run(["data", "index", "datasets/toy_v0.0.0"]) == 0
    assert run(["data", "compact", "datasets/toy_v0.0.0"]) == 0
