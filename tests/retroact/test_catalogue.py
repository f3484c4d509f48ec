"""The catalogue: every published label, every game by its name, and the file rebuilt from its sources."""

import csv
import pickle
import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.retroact import catalogue, find, resolve
from genieredux.retroact.build import CONTROL_LABELS, LABELS, build
from genieredux.retroact.words import CONTROLS, GENRES, MOTIONS, OURS, RETROACT, VIEWS
from published_cases import FIXTURES

GAMES = catalogue()


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_published_label_is_carried_over():
    published = {row["game"]: tuple(row["tags"].split()) for row in rows(FIXTURES / LABELS)}
    ours = {game.name: game.tags for game in GAMES if game.labelled_by == RETROACT}
    assert len(published) == 974
    assert ours == published


def test_every_published_control_is_carried_over():
    published = {row.pop("game"): row for row in rows(FIXTURES / CONTROL_LABELS)}
    ours = {game.name.lower(): dict(game.controls) for game in GAMES if game.controls}
    assert len(published) == 50
    assert ours == published
    assert all(tuple(controls) == CONTROLS for controls in ours.values())


def test_the_tables_are_what_the_script_builds(tmp_path):
    stable_retro = pytest.importorskip("stable_retro")
    if stable_retro.__version__.strip() != "1.0.1":
        pytest.skip("the catalogue is of stable-retro 1.0.1")
    for built in build(FIXTURES, tmp_path):
        assert built.read_bytes() == (files("genieredux.retroact") / built.name).read_bytes()


def test_building_without_the_published_tables_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="RetroAct_v0"):
        build(tmp_path, tmp_path)
    assert not list(tmp_path.iterdir())


def test_all_stable_games_are_there_and_labelled_in_the_known_words():
    assert len(GAMES) == 1006
    assert [game.name for game in GAMES] == sorted(game.name for game in GAMES)
    assert Counter(game.labelled_by for game in GAMES) == {RETROACT: 974, OURS: 32}
    assert {game.view for game in GAMES} == set(VIEWS)
    assert {game.motion for game in GAMES} == set(MOTIONS)
    assert {game.genre for game in GAMES} == set(GENRES)
    assert all(game.note for game in GAMES if game.labelled_by == OURS)


def test_the_page_about_the_words_counts_right():
    page = Path(__file__).resolve().parents[2] / "docs" / "retroact.md"
    rows_told = set(re.findall(r"^\| `(\w+)` \| (.+) \| (\d+) \|$", page.read_text(), re.MULTILINE))
    counts = Counter(tag for game in GAMES for tag in game.tags)
    assert rows_told == {(word, text, str(counts[word])) for word, text in {**VIEWS, **MOTIONS, **GENRES}.items()}


def test_each_game_knows_its_roms_buttons_state_and_variables():
    digests = [digest for game in GAMES for digest in game.rom_sha1s]
    assert len(set(digests)) == len(digests) == 1008
    assert all(len(digest) == 40 and set(digest) <= set("0123456789abcdef") for digest in digests)
    assert all(game.default_state and game.rom_files and {"UP", "LEFT"} <= set(game.buttons) for game in GAMES)
    game = resolve("Airstriker-Genesis")
    assert game.buttons == ("B", "A", "MODE", "START", "UP", "DOWN", "LEFT", "RIGHT", "C", "Y", "X", "Z")
    assert (game.default_state, game.variables) == ("Level1", ("gameover", "lives", "score"))
    assert resolve("Pong-Atari2600").buttons[:2] == ("BUTTON", None)
    assert resolve("MortalKombat2-Arcade").rom_files == ("rom.zip", "mk2.zip")


def test_the_integrations_say_the_same():
    """Three games against stable-retro itself; the whole file is compared where the labels are at hand."""
    retro = pytest.importorskip("stable_retro")
    stable = retro.data.Integrations.STABLE
    assert {game.game for game in GAMES} == set(retro.data.list_games(stable))
    for name in ("SonicAndKnuckles3-Genesis", "VirtuaFighter2-Genesis", "1942-Nes"):
        game = resolve(name)
        with open(retro.data.get_file_path(game.game, "rom.sha", stable)) as file:
            assert set(file.read().split()) == set(game.rom_sha1s)
        assert game.default_state in retro.data.list_states(game.game, stable)


@given(st.sampled_from(GAMES), st.sampled_from(["", "-v0", "-V0"]), st.randoms())
def test_a_game_is_found_with_and_without_version_in_any_letter_case(game, suffix, random):
    name = "".join(random.choice((letter.lower(), letter.upper())) for letter in game.name)
    assert resolve(name + suffix) is game


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SuperMarioBro-Nes", "nearest: SuperMarioBros-Nes"),
        ("Hero-Nes", "nearest: Hero-Atari2600"),
        ("MegaMan", "nearest: MegaMan-"),
        ("Pitfal", "nearest: Pitfall-Atari2600"),
        ("", "nearest: "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, nearest):
    assert find(name) is None
    with pytest.raises(UserError, match=nearest):
        resolve(name)


def test_a_game_is_a_value():
    game = resolve("MegaMan-Nes")
    assert pickle.loads(pickle.dumps(game)) == game
    assert len(set(GAMES)) == len(GAMES)
    with pytest.raises(AttributeError):
        game.view = "top"
