"""The data report: what stands in it, how large it may get, and that it appears whole or not at all."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from genieredux.cli.main import run
from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SilentReporter, collect
from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, Episode, quality
from genieredux.episodes.schema import UNKNOWN_ACTION
from genieredux.report.data import DataReportConfig, job, write_data_report
from genieredux.report.data.missing import missing_games
from genieredux.report.data.pictures import COLUMNS, draw_pictures

GAMES = ("Lively-Nes", "Frozen-Nes", "Black-Genesis")


def frames_of(game, length, seed, side=32):
    frames = np.random.default_rng(seed).integers(0, 255, (length, side, side, 3), dtype=np.uint8)
    if game.startswith("Frozen"):
        frames[:] = frames[0]
    return np.zeros_like(frames) if game.startswith("Black") else frames


@pytest.fixture
def make(tmp_path):
    """Writes a data set of these games and returns its folder."""

    def write(games=GAMES, lengths=(20, 33), side=32, names=("A", "B"), created_by=None, name="data"):
        with DatasetWriter(tmp_path / name, DatasetSpec("data", side, names, created_by or {"seed": 3})) as writer:
            for k, game in enumerate(games):
                for seed, length in enumerate(lengths):
                    actions = np.arange(length - 1, dtype=np.int64) % len(names) if names else None
                    writer.append(
                        Episode(
                            frames=frames_of(game, length, 10 * k + seed, side),
                            actions=np.full(length - 1, UNKNOWN_ACTION, np.int64) if actions is None else actions,
                            rewards=np.ones(length - 1, np.float32),
                            terminated=seed % 2 == 0,
                            truncated=seed % 2 == 1,
                            info={"lives": np.full(length, 3)},
                            game=game,
                            console=game.partition("-")[2] or "Toy",
                            tags=("side", "free", "pl"),
                            seed=seed,
                        )
                    )
        return tmp_path / name

    return write


def report(path, **options):
    return write_data_report(DataReportConfig(str(path), **options))


def pictures_in(page):
    found = re.findall(r"data:image/webp;base64,([A-Za-z0-9+/=]+)", page)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_the_page_says_what_was_measured(make):
    path = make()
    made = report(path)
    page, numbers = made.page.read_text(), json.loads(made.numbers.read_text())
    assert (made.page, made.numbers) == (path / "report.html", path / "report.json")
    assert made.levels == {"good": 1, "look": 0, "poor": 2}
    assert "3 games, 6 episodes, 159 frames. 1 good, 2 poor." in page
    for game in GAMES:
        note = quality.note(Dataset.open(path), game, quality.Budget(16_384))
        assert numbers["games"][game] == json.loads(json.dumps(note.to_json()))
        assert note.text in page or note.text == "" or note.text[0].upper() + note.text[1:] in page
    assert numbers["summary"]["frames"] == 159
    assert numbers["dataset"]["created_by"] == {"seed": 3}
    assert numbers["sample"] == {"frames_per_game": 16_384, "seed": 0}
    assert numbers["thresholds"]["idle"]["reason"] in page


def test_the_page_stands_alone(make):
    page = report(make()).page.read_text()
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href|srcset)=["'](?!data:|#)""", page)
    assert "://" not in page
    assert "@import" not in page


def test_every_game_is_shown_from_its_first_frame_to_its_last(make):
    path = make(("One",), lengths=(40, 7, 1), side=24)
    pictures = draw_pictures(Dataset.open(path), 8, 10**6)
    sheet = np.asarray(pictures_in(pictures.sheet)[0].convert("RGB"))
    data = Dataset.open(path)
    by_row = sorted(range(3))
    assert (pictures.rows, pictures.episodes) == (3, tuple(by_row))
    assert sheet.shape == (3 * 26 - 2, COLUMNS * 26 - 2, 3)
    for row in by_row:
        last = min(COLUMNS, int(data.lengths[row])) - 1
        for column, frame in ((0, 0), (last, int(data.lengths[row]) - 1)):
            cell = sheet[row * 26 : row * 26 + 24, column * 26 : column * 26 + 24]
            assert np.array_equal(cell, data.frames(row, frame, frame + 1)[0]), "lossless, there is room"


def test_films_move_and_loop(make):
    film = pictures_in(draw_pictures(Dataset.open(make(("One",))), 1, 10**6).film)[0]
    assert film.n_frames == 20
    assert film.info["loop"] == 0


@pytest.mark.parametrize("most", [200_000, 40_000, 15_000, 6_000, 1_500, 100])
def test_pictures_keep_their_budget(make, most):
    """Noise is the worst that can come."""
    pictures = draw_pictures(Dataset.open(make(("One",), lengths=(60, 60, 60), side=64)), 3, most)
    assert pictures.size <= most * 4 / 3 + 200
    assert bool(pictures.sheet) == (most > 6_000)
    assert bool(pictures.film) == (most >= 40_000)


def test_large_frames_are_made_smaller(make):
    pictures = draw_pictures(Dataset.open(make(("One",), lengths=(4,), side=200)), 1, 10**6)
    assert pictures_in(pictures.start)[0].size == (96, 96)


def test_without_room_the_page_says_so(make, monkeypatch):
    monkeypatch.setattr(job, "PICTURE_BYTES", 300)
    page = report(make()).page.read_text()
    assert pictures_in(page) == []
    assert page.count("No pictures: they would have made this file too large.") == 3


def test_a_second_run_writes_the_same_over_the_first(make):
    path = make()
    before = report(path).page.read_bytes()
    (path / "report.html").write_text("old")
    assert report(path).page.read_bytes() == before
    assert report(path, seed=1).page.read_bytes() != before


def test_an_interrupted_run_leaves_what_was_there(make):
    path = make()
    (path / "report.html").write_text("old")

    def interrupt(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_data_report(DataReportConfig(str(path)), interrupt)
    assert (path / "report.html").read_text() == "old"
    assert not (path / "report.json").exists()
    assert not list(path.glob(".*unfinished*"))


def test_progress_counts_games(make):
    seen = []
    write_data_report(DataReportConfig(str(make())), lambda *now: seen.append(now))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_some_games_alone(make):
    made = report(make(), games="[frozen-nes-v0, Lively-Nes]")
    assert [one.game for one in made.notes] == ["Frozen-Nes", "Lively-Nes"]
    page = made.page.read_text()
    assert "Black-Genesis" not in page
    assert "2 games, 4 episodes, 106 frames" in page


def test_one_game_without_actions(make):
    page = report(make(("One",), names=())).page.read_text()
    assert "none recorded" in page
    assert "Mean change after each action" not in page
    assert 'class="choose"' not in page


def test_names_cannot_break_the_page(make):
    page = report(
        make(("<script>alert(1)</script>",), names=("<b>", "B"), created_by={"a": "</pre><i>"})
    ).page.read_text()
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "</pre><i>" not in page


def test_games_that_were_asked_for_and_are_not_here(make):
    created = {"connector": {"kind": "retro", "games": ["Airstriker-Genesis", "SuperMarioBros-Nes"]}}
    path = make(("Airstriker-Genesis-v0",), created_by=created)
    assert missing_games(Dataset.open(path)) == ("SuperMarioBros-Nes",)
    page = report(path).page.read_text()
    assert "<h2>Missing</h2>" in page
    assert "<li>SuperMarioBros-Nes</li>" in page
    assert json.loads((path / "report.json").read_text())["missing_games"] == ["SuperMarioBros-Nes"]


def test_missing_games_of_a_filter(make):
    created = {"connector": {"kind": "retro", "games": [], "console": ["Saturn", "Arcade"], "n_games": None}}
    assert len(missing_games(Dataset.open(make(created_by=created)))) == 2
    damaged = {"connector": {"kind": "retro", "console": ["Nonsense"]}}
    assert missing_games(Dataset.open(make(created_by=damaged, name="other"))) == ()


def test_a_collection_is_reported_on(tmp_path):
    sizes = GeneratorConfig(n_instances=3, n_sessions=2, n_steps_max=40)
    connector = ConnectorConfig(name="fake", kind="fake", games=("Fake",), generator_config=sizes)
    summary = collect(CollectConfig(connector, str(tmp_path)), SilentReporter())
    page = report(summary.path).page.read_text()
    assert "How it was made" in page
    assert "n_steps_max: 40" in page
    assert "<h2>Missing</h2>" not in page


# --- as a user meets it


def test_command(make, capsys, tmp_path):
    path = make()
    assert run(["data", "report", str(path), f"out={tmp_path / 'new' / 'page.html'}"]) == 0
    said = capsys.readouterr().out
    assert "3 games (1 good, 0 look, 2 poor)" in said
    assert (tmp_path / "new" / "page.html").exists()
    assert json.loads((tmp_path / "new" / "page.json").read_text())["games"].keys() == set(GAMES)
    assert not (path / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "no data set here"),
        (["{data}", "games=Livly-Nes"], "nearest: Lively-Nes"),
        (["{data}", "out=page.txt"], "ends in .html"),
        (["{data}", "seed=-1"], "0 or more"),
        (["{data}", "colour=red"], "colour"),
        (["memory://x"], "say where the page goes"),
        (["{empty}"], "without episodes"),
        (["{damaged}"], "truncated or damaged"),
    ],
)
def test_bad_input_is_one_line(make, capsys, tmp_path, words, expected):
    data, damaged = make(), make(name="damaged")
    with DatasetWriter(tmp_path / "empty", DatasetSpec("empty", 16, ("A",))):
        pass
    file = sorted((damaged / "episodes").iterdir())[0]
    file.write_bytes(file.read_bytes()[:-50])
    places = {"data": data, "damaged": damaged, "empty": tmp_path / "empty"}
    assert run(["data", "report", *(word.format(**places) for word in words)]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert not list(tmp_path.rglob("*.html"))


def test_generate_says_what_deserves_a_look(tmp_path, capsys):
    words = ["config=quickstart/coinrun", f"root={tmp_path}", "config.connector.kind=fake"]
    words += ["config.connector.games=[Fake]", "config.connector.action_names=null", "config.connector.dname=tiny"]
    words += ["config.connector.splits=[{name: train}]", "config.connector.generator_config.n_steps_max=12"]
    words += ["config.connector.generator_config.n_instances=2", "config.connector.generator_config.n_sessions=2"]
    assert run(["generate", *words]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 games deserve a look" in said
    assert "2 of 2 episodes have fewer than 16 frames" in said


# --- in a browser


def test_the_table_sorts_and_filters(tab, make):
    tab.goto(f"file://{report(make(GAMES, lengths=(20, 33, 33))).page}")

    def shown():
        names = tab.locator(".games tbody tr:visible th").all_inner_texts()
        assert set(names) == set(tab.locator(".card:not([hidden]) h3").all_text_contents())
        return names

    assert shown() == ["Black-Genesis", "Frozen-Nes", "Lively-Nes"]
    tab.get_by_role("button", name="Distinct").click()
    assert shown()[0] == "Lively-Nes"
    assert tab.locator("th[aria-sort=descending]").inner_text() == "Distinct"
    tab.get_by_role("button", name="Distinct").click()
    assert shown()[-1] == "Lively-Nes"
    tab.get_by_role("button", name="poor 2").click()
    assert set(shown()) == {"Black-Genesis", "Frozen-Nes"}
    tab.get_by_role("searchbox").fill("genesis side")
    assert shown() == ["Black-Genesis"]
    assert tab.locator(".choose output").inner_text() == "1 of 3 games"
    wide = tab.evaluate("document.documentElement.scrollWidth")
    assert wide == 390, "nothing sticks out on a phone"
