"""`genieredux report` as a user calls it."""

import re
from pathlib import Path

import numpy as np
import pytest

from evaluated import write_run
from genieredux.cli.main import run
from genieredux.evaluation import Clips
from genieredux.models.world.fake import FakeWorld


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder above two evaluated runs; nobody changes them."""
    root = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    actions = rng.integers(0, 5, (2, 11))
    frames = np.stack([FakeWorld().play(taken, seed=seed, texture=0.1) for seed, taken in enumerate(actions)])
    sets = {"test": Clips(frames, actions, np.arange(2))}
    write_run(root / "first", sets)
    write_run(root / "second", sets, FakeWorld(noise=0.3))
    return root


def test_a_folder_above_runs_a_glob_and_a_file_mean_the_same(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = []
    words = ([str(runs)], [f"{runs}/*"], [str(runs / "first" / "results.json"), str(runs / "second")])
    for number, given in enumerate(words):
        out = tmp_path / f"{number}.html"
        assert run(["report", *given, f"out={out}", "title=Two"]) == 0
        pages.append(out.read_bytes())
        beside = sorted(path.suffix for path in tmp_path.glob(f"{number}.*"))
        assert beside == [".csv", ".html", ".json"]
    assert pages[0] == pages[1] == pages[2]
    said = capsys.readouterr().out
    assert "test: second minus first: PSNR -" in said
    assert "on 2 clips of 2 episodes" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "report takes the folder of an evaluation"),
        (["RUNS/frist"], r"no evaluated run at .*frist; nearest: .*first"),
        (["RUNS/first", "RUNS/*.x"], r"no evaluated run at .*\*.x"),
        (["RUNS", "titel=x"], "there is no key 'titel'; did you mean 'title'"),
        (["RUNS", "title="], "title is ''; it must be a value"),
        (["RUNS", "baseline=third"], "baseline=third is none of the runs; choose one of first, second"),
        (["RUNS", "out=page.txt"], "end it in .html"),
    ],
)
def test_bad_words_are_one_line(
    runs: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs)
    assert run(["report", *(word.replace("RUNS", str(runs)) for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)


def test_an_interrupted_report_leaves_what_was_there(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    assert run(["report", str(runs), f"out={out}"]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("genieredux.report.worlds.page.to_csv", interrupted)
    assert run(["report", str(runs), f"out={out}", "title=Other"]) == 130
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    capsys.readouterr()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "--help"]) == 0
    assert "baseline" in capsys.readouterr().out
