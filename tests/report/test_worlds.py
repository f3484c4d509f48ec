"""The page of one and of several runs: what is in it, that it stands alone, that its numbers are those of the files."""

import csv
import json
import re
import shutil
from dataclasses import asdict
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluated import make_clips, write_run
from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig
from genieredux.evaluation.upgrade import upgrade
from genieredux.models.world.fake import FakeWorld
from genieredux.report import PageWords, compare_runs, training_curves
from genieredux.report.worlds.page import ONE_RUN

VOID = {"meta", "input", "br"}


class Checker(HTMLParser):
    """Every tag is closed in order; what is referred to is kept."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value for key, value in attributes if key in ("src", "href", "action")]
        attributes = dict(attributes)
        if attributes.get("role") in ("img", "region", "group"):
            assert attributes["aria-label"]

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def check(page):
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert not checker.addresses
    assert not re.search(r"https?://", page)
    assert set(re.findall(r"url\((\w+):", page)) <= {"data"}
    shown = {name for group in re.findall(r'class="(?:film|strip) (s\d+)"|<i class="(s\d+)"', page) for name in group}
    for name in shown - {""}:
        assert f".{name}{{background-image" in page
    return " ".join(" ".join(checker.text).split())


def records():
    train = [{"event": "train", "step": i, "loss": 1 / i, "grad_norm": 1.0, "peak_rss_mib": 9} for i in range(1, 900)]
    valid = [{"event": "validate", "step": i, "loss": 1.1 / i, "psnr": 20 + i / 100} for i in range(100, 900, 100)]
    return [{"event": "start", "step": 0, "kind": "x"}, *train, *valid]


@pytest.fixture(scope="module")
def sets():
    return {"test.random": make_clips(3, 1), "test.held": make_clips(3, 1, held=True, seed=3)}


@pytest.fixture(scope="module")
def written(tmp_path_factory, sets):
    """A better world and a worse one, on the same clips; nobody changes them."""
    root = tmp_path_factory.mktemp("written")
    words = PageWords("Better", training=training_curves({"Dynamics": records()}))
    write_run(root / "better" / "toy", sets, FakeWorld(noise=0.02), words=words)
    write_run(root / "worse" / "toy", sets, FakeWorld(noise=0.3), made_with={"sampling": {"steps": 2}})
    return root


@pytest.fixture
def two(tmp_path, written):
    """Copies of them, to do with what one likes."""
    root = shutil.copytree(written, tmp_path / "runs")
    return root / "better" / "toy", root / "worse" / "toy"


def test_everything_is_in_the_page_of_one_run(tmp_path, sets):
    words = PageWords(
        title="A <small> world",
        summary="Made & measured.",
        set_notes={"test.held": "held for 4-8 steps"},
        training=training_curves({"Tokenizer": records(), "Dynamics": records(), "Nothing": []}),
        commands=[("again", "make demo"), ("play", "genieredux play world=runs/demo/world.pt")],
        facts=[("frames", "100,000")],
    )
    config = EvalConfig(resamples=100, keep_extremes=1)
    plain = {"eval": asdict(config), "tokenizer": {"codes": 64}}
    folder = write_run(tmp_path / "run", sets, config=config, words=words, made_with={"config": plain})
    results = json.loads((folder / "results.json").read_text())
    page = (folder / "report.html").read_text(encoding="utf-8")
    text = check(page)
    for expected in (
        "A <small> world",
        "Made & measured.",
        "test.random 3 clips of 3 episodes",
        "held for 4-8 steps",
        "Repeat the last frame",
        "Truth redrawn",
        "Only the last action different",
        "RIGHT_UP",
        "Dynamics",
        "psnr",
        "codes: 64",
        "genieredux play world=runs/demo/world.pt",
        "5.0 min in all",
        "torch",
        "frames 100,000",
        "FID is not here: its weights are not here.",
        "By the action that led to the frame",
        "Worst by PSNR gain",
    ):
        assert expected in text
    assert "Nothing" not in text
    assert f"{results['test.random']['psnr']['model']['mean'][0]:.2f}" in text
    assert page.count("<svg viewBox") > 8
    clips, ends, actions = 3 + 3, 4, 5
    assert page.count('class="film') == 3 * actions + (clips + ends + 1) * 4
    assert len(page) < ONE_RUN + 500_000


def test_the_page_of_an_evaluation_is_what_report_makes_of_its_folder(two):
    folder = two[0]
    before = (folder / "report.html").read_bytes()
    made = compare_runs([str(folder)])
    assert made.page == folder / "report.html"
    assert made.page.read_bytes() == before
    assert made.paired == ()
    assert sorted(file.name for file in folder.glob("report.*")) == ["report.csv", "report.html", "report.json"]
    assert not [file for file in folder.iterdir() if "unfinished" in file.name]


def test_two_runs_side_by_side(tmp_path, two):
    made = compare_runs([str(tmp_path / "runs")], title="Two & two")
    assert made.page == two[0] / "comparison.html"
    page = made.page.read_text()
    text = check(page)
    for expected in (
        "Two & two",
        "Before you compare",
        "steps (better: 8, worse: 2)",
        "Minus better",
        "Repeat the last frame",
        "What differs",
        "Settings and machines that differ",
        "better: Dynamics",
    ):
        assert expected in text
    again = compare_runs([str(two[0]), str(two[1])], title="Two & two")
    assert again.page.read_text() == page
    (paired,) = made.paired
    assert (paired.run.name, paired.baseline.name) == ("worse", "better")
    average = paired.by_set["test.held"].differences["psnr"]["model"].average
    assert average.high < 0
    # Clip by clip, so the mean of the differences is the difference of the means.
    means = [np.mean(run.sets["test.held"].metrics["psnr"]["model"].mean) for run in made.runs]
    assert float(average.mean) == pytest.approx(means[1] - means[0])
    assert f"−{-float(average.mean):.2f}" in text
    said = json.loads(made.numbers.read_text())
    assert said["baseline"] == "better"
    psnr = said["differences"][0]["sets"]["test.held"]["differences"]["psnr"]["model"]["average"]
    assert psnr["mean"] == pytest.approx(float(average.mean))
    assert said["sets"]["worse"]["test.random"]["psnr"] == made.runs[1].sets["test.random"].plain["psnr"]


def test_the_other_one_as_baseline(two):
    made = compare_runs([str(folder) for folder in two], baseline=str(two[1]))
    (paired,) = made.paired
    assert (paired.run.name, paired.baseline.name) == ("better", "worse")
    assert paired.by_set["test.held"].differences["psnr"]["model"].average.low > 0
    with pytest.raises(UserError, match="baseline=other is none of the runs; choose one of better, worse"):
        compare_runs([str(folder) for folder in two], baseline="other")


def test_the_table_has_every_mean_in_long_format(tmp_path, two):
    made = compare_runs([str(folder) for folder in two], out=str(tmp_path / "page.html"))
    rows = list(csv.DictReader(made.table.open()))
    assert list(rows[0]) == ["run", "set", "metric", "row", "horizon", "value", "low", "high", "n"]

    def value(run, metric, row, horizon, which="value"):
        found = [
            line[which]
            for line in rows
            if (line["run"], line["set"], line["metric"], line["row"], line["horizon"])
            == (run, "test.random", metric, row, horizon)
        ]
        assert len(found) == 1, (run, metric, row, horizon, found)
        return float(found[0])

    metrics = made.runs[1].sets["test.random"].metrics
    assert value("worse", "psnr", "model", "3") == pytest.approx(metrics["psnr"]["model"].mean[2], rel=1e-5)
    assert value("worse", "psnr", "model", "mean") == pytest.approx(np.mean(metrics["psnr"]["model"].mean), rel=1e-5)
    low = metrics["delta_psnr"]["genie"].at(4).low
    assert value("worse", "delta_psnr", "genie", "4", "low") == pytest.approx(low, rel=1e-4)
    gap = value("worse", "psnr", "model", "10") - value("better", "psnr", "model", "10")
    assert value("worse minus better", "psnr", "model", "10") == pytest.approx(gap, abs=1e-4)
    assert value("worse", "psnr", "model", "1", "n") == 3


def test_other_clips_are_said_and_not_paired(tmp_path):
    first = write_run(tmp_path / "a", {"test": make_clips(2, 1, seed=1)})
    second = write_run(tmp_path / "b", {"test": make_clips(2, 1, seed=2)})
    short = EvalConfig(resamples=50, keep_clips=1, keep_extremes=0, horizon=4)
    third = write_run(tmp_path / "c", {"test": make_clips(2, 1, seed=1)}, config=short)
    made = compare_runs([str(first), str(second), str(third)])
    text = check(made.page.read_text())
    assert "b and a have no clip of test in common" in text
    assert "c predicts 4 frames from 2, a 10 from 2" in text
    assert "The clips of test are not the same (0 of 2, 2, 2 are common)" in text
    assert "frames predicted (a: 10, b: 10, c: 4)" in text
    assert not any(one.by_set for one in made.paired)


def test_a_run_without_its_clips_and_pictures_is_a_page_of_numbers(tmp_path, two):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(two[0] / "results.json", bare)
    text = check(compare_runs([str(bare)]).page.read_text())
    assert "How true it is" in text
    assert "Truth beside dream" not in text
    text = check(compare_runs([str(bare), str(two[1])]).page.read_text())
    assert "bare has no clips.parquet, so clips cannot be paired" in text


def test_one_episode_has_no_interval_and_no_nan(tmp_path):
    folder = write_run(tmp_path / "a", {"only": make_clips(1, 1)})
    text = check(compare_runs([str(folder)]).page.read_text())
    assert "only" in text
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", text)


def test_pictures_stay_within_their_budget(tmp_path, monkeypatch):
    monkeypatch.setattr("genieredux.report.worlds.page.ONE_RUN", 60_000)
    folder = write_run(tmp_path / "a", {"a": make_clips(2, 1, texture=0.5)})
    page = compare_runs([str(folder)]).page.read_text()
    assert "more left out" in check(page)
    assert sum(map(len, re.findall(r"url\([^)]*\)", page))) < 70_000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "results.json").unlink(), "no evaluated run at .*; nearest: .*worse/toy"),
        (lambda folder: (folder / "results.json").write_text("{"), "results.json cannot be read"),
        (lambda folder: (folder / "results.json").write_text("[]"), "not what genie_redux eval writes"),
        (
            lambda folder: (folder / "results.json").write_text('{"test": {"psnr": {}}, "made_by": {}}'),
            "results.json: lacks or misplaces .psnr_interval., so it is of no version that is known; evaluate again",
        ),
        (lambda folder: (folder / "clips.parquet").write_bytes(b"PAR1"), "clips.parquet: damaged"),
        (lambda folder: (folder / "pictures.npz").write_bytes(b"PK\x03\x04"), "pictures.npz is damaged"),
        (lambda folder: (folder / "page.json").write_text("{"), "page.json cannot be read"),
    ],
)
def test_a_damaged_run_is_one_line_and_nothing_is_written(two, damage, message):
    better, worse = two
    damage(better)
    with pytest.raises(UserError, match=message) as caught:
        compare_runs([str(better), str(worse)])
    assert "\n" not in str(caught.value)
    assert not list(better.glob("comparison*"))


def test_a_page_that_cannot_be_written_is_named(tmp_path, two):
    with pytest.raises(UserError, match=r"end it in .html"):
        compare_runs([str(two[0])], out=str(tmp_path / "page.pdf"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        compare_runs([str(two[0])], out=str(tmp_path / "file" / "page.html"))


def test_training_curves_choose_what_matters_and_are_thin():
    curves = training_curves({"Tokenizer": records(), "Nothing": []})
    assert list(curves) == ["Tokenizer"]
    assert [curve.title for curve in curves["Tokenizer"]] == ["loss", "psnr", "grad norm"]
    assert [line.name for line in curves["Tokenizer"][0].lines] == ["training", "validation"]
    assert len(curves["Tokenizer"][0].lines[0].x) == 240


def test_a_page_claims_the_same_frames_only_where_they_are(tmp_path):
    runs = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        runs[name] = str(write_run(tmp_path / name, {"test": make_clips(2, 1, seed=seed)}))
    same = check(compare_runs([runs["a"], runs["b"]]).page.read_text())
    assert "The same frames and actions, shown to each of the models." in same
    other = check(compare_runs([runs["a"], runs["c"]]).page.read_text())
    assert "The same frames" not in other
    assert "did not all see the same frames" in other


def test_a_metric_is_on_the_page_because_the_file_describes_it(tmp_path, two):
    """Tables, curves, breakdown and CSV of a metric that no page knows, with its own digits and direction."""
    better, worse = two
    for folder in two:
        results = upgrade(json.loads((folder / "results.json").read_text()))
        about = {"label": "Novelty", "unit": "bits", "digits": 4, "better": "lower", "pooled": False}
        results["about"]["novelty"] = {**about, "signed": False, "at": "average"}
        for name in ("test.random", "test.held"):
            results[name]["novelty"] = {"model": results[name]["ssim"]["model"]}
        (folder / "results.json").write_text(json.dumps(results))
    made = compare_runs([str(better)])
    page = made.page.read_text()
    text = check(page)
    mean = np.mean(made.runs[0].sets["test.held"].metrics["ssim"]["model"].mean)
    assert f"{mean:.4f}" in text
    assert "Novelty, test.held" in text
    assert 'aria-label="Novelty, bits by frames after the prompt: World model"' in page
    table = list(csv.DictReader(made.table.open()))
    rows = [row for row in table if row["metric"] == "novelty" and row["set"] == "test.held"]
    assert [row["horizon"] for row in rows] == [*map(str, range(1, 11)), "mean"]
    assert "Novelty, test.held" in check(compare_runs([str(better), str(worse)]).page.read_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("several", [False, True])
def test_in_a_browser_it_plays_under_its_own_policy_and_fits_a_phone(tab, two, tmp_path, scheme, several):
    """The policy allows the page's own script: films move. Whatever it refuses is a complaint, which fails the test."""
    made = compare_runs([str(folder) for folder in (two if several else two[:1])], out=str(tmp_path / "page.html"))
    tab.emulate_media(color_scheme=scheme)
    tab.goto(f"file://{made.page}")
    assert tab.evaluate("document.documentElement.scrollWidth") == 390, "nothing sticks out"
    light = tab.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 127")
    assert light == (scheme == "light")
    button, frame = tab.locator("#toggle"), tab.locator("#frame")
    shown = frame.inner_text()
    tab.wait_for_function("before => document.getElementById('frame').textContent !== before", arg=shown)
    button.click()
    tab.locator("#scrub").fill("5")
    assert frame.inner_text() == "+4"
    film = tab.locator(".film").first
    assert film.evaluate("node => getComputedStyle(node).backgroundImage").startswith('url("data:image/webp')


def test_the_row_of_a_latent_action_model_is_called_so(tmp_path):
    of_latent = {"model": {"file": "a.pt", "kind": "latent_action_model"}}
    latent = write_run(tmp_path / "latent", {"test": make_clips(2, 1)}, made_with=of_latent)
    text = check(compare_runs([str(latent)]).page.read_text())
    assert "Latent action model" in text
    assert "World model" not in text
    world = write_run(tmp_path / "world", {"test": make_clips(2, 1)})
    assert "World model" in check(compare_runs([str(world)]).page.read_text())
