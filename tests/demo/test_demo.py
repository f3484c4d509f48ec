"""The whole pipeline on the toy game, and what it leaves."""

import json
import math
from pathlib import Path

import pytest

from genieredux.cli.compose import compose_config
from genieredux.cli.main import run
from genieredux.demo.pipeline import check_models
from genieredux.demo.summary import write_summary
from genieredux.errors import UserError
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


def test_the_headline_numbers_are_in_a_flat_file(out: Path) -> None:
    summary, results = (json.loads((out / name).read_text()) for name in ("summary.json", "results.json"))
    assert set(summary) == {"test.random", "test.held", "seconds"}
    assert summary["seconds"] == pytest.approx(sum(json.loads((out / "stages.json").read_text()).values()), abs=0.1)
    numbers, of = summary["test.held"], results["test.held"]
    assert numbers["psnr"] == of["psnr"]["model"]["mean"]
    assert numbers["psnr_repeat_last"] == of["psnr"]["repeat_last"]["mean"]
    assert numbers["psnr_gain"] == of["gain"]["repeat_last"]["average"]
    assert numbers["delta_psnr"]["low"] == of["delta_psnr"]["genie"]["low"][3]
    assert numbers["sharpness"]["4"] == of["sharpness"]["model"]["mean"][3]
    assert numbers["sharpness"]["100"] is None  # there were no long dreams
    assert numbers["action_following"] == of["action_following"]["model"]["average"]["mean"]


CANVAS = "quickstart/coinrun"
TOKENS = "quickstart/coinrun_tokens"


@pytest.mark.parametrize(
    ("config", "word", "said"),
    [
        ("smoke", "metrics=[random_frechey]", "metrics is 'random_frechey'; did you mean random_frechet?"),
        (CANVAS, "dynamics.dynamics.continued=1", "dynamics.continued is 1; it must be 0"),
        (CANVAS, "dynamics.dynamics.chains=[]", "dynamics.chains is (); it must be at least one length"),
        (CANVAS, "dynamics.dynamics.actor=65", "dynamics.actor=65 is larger than the image"),
        (CANVAS, "connector.image_size=60", "takes frames whose side is a multiple of 8"),
        (TOKENS, "tokenizer.tokenizer.codebook_dim=-1", "tokenizer.codebook_dim is -1"),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_played(
    config: str, word: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", f"config={config}", f"out={tmp_path / 'run'}", word]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_begins_with_a_file_is_completed_by_it(tmp_path: Path) -> None:
    """An actor of 65 pixels may be right for the images of that file."""
    words = [f"out={tmp_path}", "dynamics.dynamics.actor=65"]
    schema = "genieredux.demo.config:DemoConfig"
    check_models(compose_config("demo", schema, [*words, "dynamics.model_fpath=world.pt"]))
    with pytest.raises(UserError, match="larger than the image"):
        check_models(compose_config("demo", schema, words))


def test_a_summary_takes_long_dreams_and_networks_too(tmp_path: Path) -> None:
    row = {"mean": [0.5] * 10, "low": [0.4] * 10, "high": [0.6] * 10, "average": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    numbers = {
        "clips": 2,
        "compare_at": 4,
        "psnr": {"model": row, "repeat_last": row},
        "sharpness": {"model": row},
        "drift": {"sharpness": {"model": {"mean": [0.1] * 99 + [0.3]}}},
        "ST-LPIPS (alex)": {"model": row, "repeat_last": {**row, "mean": [0.2] * 10}},
        "action_accuracy": {"model": row, "truth": {**row, "average": {"mean": 0.7, "low": 0.6, "high": 0.8}}},
    }
    (tmp_path / "results.json").write_text(json.dumps({"about": {"psnr": {}}, "test.random": numbers}))
    summary = json.loads(write_summary(tmp_path / "results.json", {"play": 1.0, "dynamics": 2.5}).read_text())
    assert summary["seconds"] == 3.5
    assert summary["test.random"]["sharpness"] == {"1": 0.5, "4": 0.5, "10": 0.5, "100": 0.3}
    assert summary["test.random"]["st_lpips"] == {"model": [0.5] * 10, "repeat_last": [0.2] * 10}
    assert summary["test.random"]["action_accuracy"] == {"model": 0.5, "truth": 0.7}
    assert summary["test.random"]["psnr_gain"] is summary["test.random"]["delta_psnr"] is None


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
