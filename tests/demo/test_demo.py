"""The whole pipeline on the toy game, and what it leaves."""

import json
import math
from pathlib import Path

import pytest

from genieredux.cli.main import run
from genieredux.models.world.file import load_world


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "run"
    assert run(["demo", "config=smoke", f"out={folder}", "seed=1"]) == 0
    return folder


def test_the_results_are_those_that_were_promised(out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    for name in ("test.random", "test.held"):
        found = results[name]
        for row in ("model", "repeat_last", "tokenizer_only"):
            assert len(found["psnr"][row]["mean"]) == 10
            assert all(math.isfinite(value) for value in found["psnr"][row]["mean"])
        for definition in ("genie", "last_action"):
            estimate = found["delta_psnr"][definition]
            assert estimate["low"][3] <= estimate["mean"][3] <= estimate["high"][3]
        assert found["random_frechet"]["samples"] > 0
    made = results["made_by"]
    assert made["config"]["seed"] == made["seed"]
    assert set(made["seconds"]) == {"test.random", "test.held"}
    assert "torch" in made["environment"]["versions"]


def test_the_page_films_and_world_are_there(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert "test.held" in page
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://127.0.0.1", "")
    assert (out / "media" / "test.random.gif").stat().st_size > 0
    assert (out / "media" / "test.held.mp4").stat().st_size > 0
    world, prompts = load_world(out / "world.pt")
    assert len(prompts) == 3
    assert world.metadata["seed"] == 1


def test_a_second_run_on_top_gives_the_same(out: Path) -> None:
    def measured() -> dict:
        results = json.loads((out / "results.json").read_text())
        return {name: results[name] for name in ("test.random", "test.held")}

    before = measured()
    assert run(["demo", "config=smoke", f"out={out}", "seed=1"]) == 0
    assert measured() == before


def test_the_world_can_be_evaluated_by_itself(out: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [
        "config=quickstart/dynamics",
        f"eval.model_fpath={out / 'world.pt'}",
        f"train.dataset_root_dpath={out / 'datasets'}",
        "train.dataset_name=toy_v0.0.0",
        "eval.num_clips=8",
        "eval.metrics=[random_frechet]",
        "eval.resamples=100",
        "eval.keep_clips=2",
        f"eval.save_root_dpath={tmp_path}",
    ]
    assert run(["genie_redux", "eval", *words]) == 0
    folder = next(tmp_path.glob("*/*/results.json")).parent
    assert (folder / "report.html").is_file()
    of_demo, by_itself = (json.loads((place / "results.json").read_text()) for place in (out, folder))
    for name in ("version", "about", "test.random", "test.held"):
        assert by_itself[name] == of_demo[name]
    assert set(by_itself["made_by"]) == set(of_demo["made_by"])
    assert str(folder) in capsys.readouterr().out
