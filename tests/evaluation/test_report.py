import re
from html.parser import HTMLParser

import numpy as np
import pytest

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig, evaluate
from genieredux.evaluation.control import control_grid
from genieredux.evaluation.report import MEDIA_BUDGET, Report, render, write_report
from genieredux.evaluation.sections import training
from genieredux.models.fake_world import FakeWorld

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
    return " ".join(" ".join(checker.text).split())


@pytest.fixture(scope="module")
def world():
    return FakeWorld(noise=0.05)


def records():
    train = [{"event": "train", "step": i, "loss": 1 / i, "grad_norm": 1.0, "peak_rss_mib": 9} for i in range(1, 900)]
    valid = [{"event": "validate", "step": i, "loss": 1.1 / i, "psnr": 20 + i / 100} for i in range(100, 900, 100)]
    return [{"event": "start", "step": 0, "kind": "x"}, *train, *valid]


def test_everything_is_in_the_page(tmp_path, world, make_clips):
    sets = {"test.random": make_clips(), "test.held": make_clips(held=True, seed=3)}
    evaluation = evaluate(world, sets, EvalConfig(resamples=100))
    report = Report(
        title="A <small> world",
        summary="Made & measured.",
        evaluation=evaluation,
        action_names=world.action_names,
        set_notes={"test.held": "held for 4-8 steps"},
        control=control_grid(world, sets["test.random"], [0, 3], steps=5),
        training={"Tokenizer": records(), "Dynamics": records(), "Nothing": []},
        config={"seed": 0, "tokenizer": {"codes": 64}},
        environment={
            "python": "3.11",
            "versions": {"torch": "2"},
            "hardware": {"cpu": "x", "gpus": []},
            "git": None,
        },
        seconds={"collect": 12.5, "train": 300.0},
        commands=[("again", "make demo"), ("play", "genieredux play world=runs/demo/world.pt")],
        facts=[("frames", "100,000")],
    )
    path = write_report(tmp_path / "runs" / "report.html", report)
    page = path.read_text(encoding="utf-8")
    text = check(page)
    for expected in (
        "A <small> world",
        "Made & measured.",
        "test.random 8 clips of 4 episodes",
        "held for 4-8 steps",
        "Repeat the last frame",
        "Tokenizer only",
        "Only the last action different",
        "RIGHT_UP",
        "Dynamics",
        "psnr",
        "codes: 64",
        "genieredux play world=runs/demo/world.pt",
        "5.2 min in all",
        "torch",
        "frames 100,000",
    ):
        assert expected in text
    assert "Nothing" not in text
    shown = f"{evaluation.sets['test.random'].psnr['model'].estimate.mean[0]:.2f}"
    assert shown in text
    assert page.count("<svg viewBox") > 8
    assert page.count('class="film"') == 2 * 5 + (16 + 1) * 4
    assert len(page) < MEDIA_BUDGET + 500_000
    assert render(report) == page


def test_a_page_of_numbers_alone(world, make_clips):
    evaluation = evaluate(world, {"only": make_clips(episodes=1)}, EvalConfig(resamples=10, keep_clips=0))
    text = check(render(Report("Bare", "", evaluation)))
    assert "only" in text
    assert "nan" not in text.lower()


def test_pictures_stay_within_their_budget(world, make_clips, monkeypatch):
    monkeypatch.setattr("genieredux.evaluation.report.MEDIA_BUDGET", 60_000)
    evaluation = evaluate(world, {"a": make_clips(texture=0.5)}, EvalConfig(resamples=10))
    page = render(Report("Small", "", evaluation))
    assert "more left out" in check(page)


def test_a_report_that_cannot_be_written_is_named(tmp_path, world, make_clips):
    (tmp_path / "report.html").mkdir()
    evaluation = evaluate(world, {"a": make_clips(episodes=1)}, EvalConfig(resamples=10, keep_clips=0))
    with pytest.raises(UserError, match="cannot write"):
        write_report(tmp_path / "report.html", Report("x", "", evaluation))


def test_training_curves_choose_what_matters():
    (only,) = training({"Tokenizer": records()})
    assert [figure["title"] for figure in only["figures"]] == ["loss", "psnr", "grad norm"]
    assert "validation" in only["figures"][0]["legend"]


def test_control_grid_holds_each_action(world, make_clips):
    clips = make_clips()
    exact = FakeWorld()
    grid = control_grid(exact, clips, [2], steps=4)
    assert grid.frames.shape == (1, 5, 6, 64, 64, 3)
    assert (grid.frames[0, :, :2] == clips.frames[2, :2]).all()
    right, left = grid.frames[0, 0, 2:], grid.frames[0, 1, 2:]
    assert (np.roll(right[0], 16, axis=1) == left[0]).all()
