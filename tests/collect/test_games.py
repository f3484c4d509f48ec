"""Which games a connector means, which can be played here, and what is said of the others."""

import json
import logging

import pytest

from genieredux.collect import CollectConfig, ConnectorConfig
from genieredux.collect.games import configured_games, playable_games
from genieredux.errors import UserError
from genieredux.retroact import resolve, selection
from published_cases import FIXTURES

CONTROLS = {
    "RIGHT": ("right",),
    "LEFT": ("left",),
    "UP": ("climb", "none"),
    "DOWN": ("none", "crouch", "climb"),
    "ACTION_JUMP": ("jump",),
}
PLATFORMERS = {"genre": ("pl",), "published_only": True}


@pytest.fixture(autouse=True)
def no_imported_roms(tmp_path, monkeypatch):
    """Only Airstriker, whose ROM stable-retro brings, is here: no cache of the user's is read."""
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "cache"))


def config(**values):
    return CollectConfig(ConnectorConfig(**values))


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("pretrain", PLATFORMERS),
        ("g200", {**PLATFORMERS, "n_games": 200}),
        ("control", {**PLATFORMERS, "controls": CONTROLS}),
    ],
)
def test_the_filters_give_the_published_selections(name, filters):
    games = configured_games(ConnectorConfig(**filters))
    published = json.loads((FIXTURES / "game_selection.json").read_text())[name]
    assert list(games) == published
    assert games == tuple(selection(name))


def test_every_filter_narrows_and_they_work_together():
    everything = configured_games(ConnectorConfig(console=("Atari2600", "Nes")))
    for label, word in (("view", "top"), ("motion", "free"), ("genre", "maze")):
        some = configured_games(ConnectorConfig(console=("Atari2600", "Nes"), **{label: (word,)}))
        assert 0 < len(some) < len(everything)
        assert {getattr(resolve(game), label) for game in some} == {word}
    both = configured_games(ConnectorConfig(view=("top",), genre=("maze",), console=("Atari2600",)))
    assert "Alien-Atari2600" in both
    published = configured_games(ConnectorConfig(console=("Atari2600",), published_only=True))
    assert len(published) == 40
    assert set(published) < set(configured_games(ConnectorConfig(console=("Atari2600",))))


def test_named_games_win_over_filters_and_any_spelling_is_one_game():
    assert configured_games(ConnectorConfig(**PLATFORMERS, games=("airstriker-genesis-v0",))) == ("Airstriker-Genesis",)
    assert configured_games(ConnectorConfig(**PLATFORMERS, game="supermariobros-nes")) == ("SuperMarioBros-Nes",)
    assert len(configured_games(ConnectorConfig(**PLATFORMERS, game="all"))) == 483
    with pytest.raises(UserError, match="twice"):
        configured_games(ConnectorConfig(games=("Airstriker-Genesis", "airstriker-genesis-v0")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"genre": ("plat",)}, "no genre 'plat'; nearest: 'pl'"),
        ({"console": ("NES", "PS1")}, "no console 'PS1'"),
        ({"controls": {"ACTION_JUMP": ("jmp",)}}, "no game has 'jmp'"),
        ({"controls": {"JUMP": ("jump",)}}, "no control 'JUMP'"),
        ({"genre": ("pinball",), "console": ("Atari2600",), "view": ("1p",)}, "no game fits view=.*retroact list"),
    ],
)
def test_a_filter_that_can_choose_nothing_says_why(values, message):
    with pytest.raises(UserError, match=message):
        configured_games(ConnectorConfig(**values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "games is empty.*genre"),
        ({"kind": "procgen"}, "games is empty"),
        ({"kind": "procgen", "genre": ("pl",)}, r"connector\.genre chooses among catalogued games"),
        ({"game": "a", "games": ("b",)}, "both set"),
        ({"genre": ("pl",), "n_games": 0}, "n_games is 0; it must be 1 or more"),
    ],
)
def test_a_connector_that_names_no_game_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        ConnectorConfig(**values)


def test_missing_roms_are_one_line_and_the_rest_is_played(caplog):
    caplog.set_level(logging.WARNING)
    games = playable_games(config(console=("Genesis",), genre=("space_shooter",)))
    assert list(games) == ["Airstriker-Genesis"]
    facts = games["Airstriker-Genesis"]
    assert (facts.console, facts.tags) == ("Genesis", ("top", "h", "space_shooter"))
    (line,) = caplog.messages
    total = len(configured_games(ConnectorConfig(console=("Genesis",), genre=("space_shooter",))))
    assert line.startswith(f"left out {total - 1} of {total} games")
    assert "genieredux retroact import-roms FOLDER" in line
    assert len(line) < 300


def test_none_runnable_stops_with_the_command_that_helps():
    with pytest.raises(
        UserError, match=r"none of the 483 games has its ROM here.* `genieredux retroact import-roms FOLDER`"
    ):
        playable_games(config(**PLATFORMERS))


def test_a_named_game_without_rom_stops_unless_told_to_skip():
    named = {"games": ("Airstriker-Genesis", "SuperMarioBros-Nes")}
    with pytest.raises(UserError, match=r"SuperMarioBros-Nes: its ROM is not imported.*import-roms"):
        playable_games(config(**named))
    assert list(playable_games(config(**named, skip_missing_games=True))) == ["Airstriker-Genesis"]
    with pytest.raises(UserError, match="nearest: SuperMarioBros-Nes"):
        playable_games(config(games=("SuperMarioBro-Nes",)))


def test_own_tags_win_over_the_catalogues():
    facts = playable_games(config(games=("Airstriker-Genesis",), tags={"Airstriker-Genesis": ("mine",)}))
    assert facts["Airstriker-Genesis"].tags == ("mine",)
    assert playable_games(config(kind="fake", games=("Fake",)))["Fake"].tags == ()


def test_ataris_roms_are_all_or_those_whose_twin_in_the_catalogue_fits():
    pytest.importorskip("ale_py", reason="needs the extra [atari]")
    assert len(configured_games(ConnectorConfig(kind="ale"))) == 104
    platformers = configured_games(ConnectorConfig(kind="ale", **PLATFORMERS))
    assert platformers == ("elevator_action", "hero", "kangaroo", "montezuma_revenge")
    assert configured_games(ConnectorConfig(kind="ale", n_games=2)) == ("adventure", "air_raid")
    facts = playable_games(config(kind="ale", games=("MontezumaRevenge",)))["montezuma_revenge"]
    assert facts.tags == ("side", "free", "pl")
    assert playable_games(config(kind="ale", games=("sir_lancelot",)))["sir_lancelot"].tags == ()


@pytest.mark.parametrize("content", [b"", b"not the ROM"])
def test_a_damaged_rom_stops_its_game_where_named_and_is_left_out_where_filtered(content, tmp_path, caplog):
    folder = tmp_path / "cache" / "roms" / "Hero-Atari2600-v0"
    folder.mkdir(parents=True)
    (folder / "rom.a26").write_bytes(content)
    with pytest.raises(UserError, match=r"Hero-Atari2600: .*rom.a26"):
        playable_games(config(games=("Hero-Atari2600",)))
    with caplog.at_level(logging.WARNING), pytest.raises(UserError, match="none of the"):
        playable_games(config(console=("Atari2600",)))
