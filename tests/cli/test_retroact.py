"""`genieredux retroact` as a user meets it."""

import csv
import io
import json

import pytest

from genieredux.cli.main import run
from genieredux.retroact.words import CONTROLS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def said(capsys):
    """Runs the words; their output, having exited with `code`."""

    def call(*words, code=0):
        assert run(["retroact", *words]) == code
        return capsys.readouterr().out

    return call


def test_help_names_every_action_and_word(said):
    assert said("-h") == said()
    for word in ("import-roms", "verify", "coverage", "space_shooter", "tube", "Atari2600"):
        assert word in said("-h")


def test_list_as_json_has_the_published_words(said):
    games = json.loads(said("list", "format=json"))
    assert len(games) == 1006
    assert all({"game", "console", "view", "motion", "genre", "controls", "runnable"} <= set(game) for game in games)
    mario = next(game for game in games if game["name"] == "SuperMarioBros-Nes")
    assert mario["game"] == "SuperMarioBros-Nes-v0"
    assert (mario["view"], mario["motion"], mario["genre"]) == ("side", "free", "pl")
    assert tuple(mario["controls"]) == CONTROLS
    assert mario["controls"]["DOWN"] == "crouch"


def test_list_as_csv_and_its_filters(said):
    rows = list(csv.DictReader(io.StringIO(said("list", "controls=true", "console=nes,sms", "format=csv"))))
    assert len(rows) == 28
    assert {row["console"] for row in rows} == {"Nes", "Sms"}
    assert all(row["ACTION_JUMP"] == "jump" for row in rows)


def test_list_as_a_table_counts(said):
    table = said("list", "view=[top,1p]", "genre=race")
    assert "AyrtonSennasSuperMonacoGPII" in said("list", "genre=race")
    assert "of 1006 games" in table.splitlines()[-1]


def test_show_says_what_is_known(said):
    shown = said("show", "megaman-nes")
    for part in ("MegaMan-Nes-v0", "platformer", "RetroAct v0.1", "ACTION_JUMP jump", "import-roms FOLDER"):
        assert part in shown
    assert "GenieRedux" in said("show", "Pitfall-Atari2600-v0")


def test_coverage_of_a_selection_and_of_a_configuration(said):
    words = ("coverage", "config=retro_act/control")
    parts = json.loads(said(*words, "format=json"))
    assert parts == json.loads(said("coverage", "selection=control", "format=json"))
    assert (len(parts["runnable"]), len(parts["missing"])) == (0, 50)
    table = said(*words).splitlines()
    assert table[1].split() == ["Nes", "21", "0", "21"]
    assert ["all", "50", "0", "50"] in [line.split() for line in table]


def test_import_verify_and_list_what_runs(said, tmp_path):
    pytest.importorskip("ale_py")
    assert "Imported 32 games" in said("import-roms", "ale-py")
    assert "Imported 0 games" in said("import-roms", "ale-py")
    assert said("verify").startswith("Right: 33 of 33")
    assert "33 of 1006 games; 33 of them run here" in said("list", "runnable=true")
    (tmp_path / "cache" / "roms" / "Pong-Atari2600-v0" / "rom.a26").write_bytes(b"not Pong")
    told = said("verify", code=2)
    assert "Pong-Atari2600: SHA-1" in told
    assert "Right: 32 of 33" in told


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lst"], "did you mean 'list'"),
        (["list", "view=sid"], "nearest: 'side'"),
        (["list", "vew=side"], "did you mean 'view'"),
        (["list", "view"], "cannot read 'view'; write key=value"),
        (["list", "runnable=maybe"], "true or false"),
        (["list", "format=yaml"], "choose one of table, csv, json"),
        (["show"], "retroact show GAME"),
        (["show", "MegaMann-Nes"], "MegaMan-Nes"),
        (["import-roms"], "retroact import-roms FOLDER..."),
        (["import-roms", "nowhere"], "no folder or file nowhere"),
        (["import-roms", "."], "0 files"),
        (["verify", "MegaMan-Nes"], "import-roms FOLDER"),
        (["coverage"], "config=NAME or selection=pretrain|g200|control"),
        (["coverage", "selection=contrl"], "nearest: 'control'"),
        (["coverage", "config=retro_act/pretrian"], "retro_act/pretrain"),
        (["coverage", "config=quickstart/coinrun"], "procgen"),
    ],
)
def test_bad_words_are_one_line_and_exit_code_2(words, expected, capsys, tmp_path):
    assert run(["retroact", *words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("genieredux: error: ")
    assert expected in message
    assert not list(tmp_path.rglob("*"))
