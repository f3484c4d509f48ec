"""Filters and the published selections."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genieredux.errors import UserError
from genieredux.retroact import catalogue, resolve, select, selection
from genieredux.retroact.words import GENRES, MOTIONS, VIEWS
from published_cases import FIXTURES

some = {
    "view": st.none() | st.lists(st.sampled_from(list(VIEWS)), min_size=1),
    "motion": st.none() | st.lists(st.sampled_from(list(MOTIONS)), min_size=1),
    "genre": st.none() | st.sampled_from(list(GENRES)),
    "console": st.none() | st.sampled_from(["Nes", "Genesis", "Atari2600"]),
    "controls": st.none() | st.booleans(),
}


@given(**some)
def test_a_game_is_selected_exactly_if_it_fits_every_filter(view, motion, genre, console, controls):
    chosen = {game.name for game in select(view, motion, genre, console, controls)}
    for game in catalogue():
        fits = (
            (view is None or game.view in view)
            and (motion is None or game.motion in motion)
            and (genre is None or game.genre == genre)
            and (console is None or game.console == console)
            and (controls is None or controls == (game.controls is not None))
        )
        assert (game.name in chosen) == fits


def test_words_are_taken_in_any_letter_case():
    assert select(console="atari2600", genre="PL") == select(console=["Atari2600"], genre=["pl"])
    assert len(select(console="atari2600", genre="PL")) == 5  # RetroAct's four and Pitfall


def test_runnable_games_are_those_with_a_rom(tmp_path, monkeypatch):
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path))
    before = select(runnable=True)
    assert resolve("Hero-Atari2600") not in before
    folder = tmp_path / "roms" / "Hero-Atari2600-v0"
    folder.mkdir(parents=True)
    (folder / "rom.a26").write_bytes(b"its presence counts, not its content")
    assert set(select(runnable=True)) == {*before, resolve("Hero-Atari2600")}
    assert set(select(runnable=False)) == set(catalogue()) - set(select(runnable=True))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"view": "sid"}, "no view 'sid'; nearest: 'side'; all: side, top, 3p, 1p, multi"),
        ({"motion": ["free", "x"]}, "no motion 'x'"),
        ({"genre": "platformer"}, "no genre 'platformer'; nearest: 'pl'"),
        ({"console": "Megadrive"}, "no console 'Megadrive'.*Genesis"),
    ],
)
def test_an_unknown_word_names_the_valid_ones(filters, message):
    with pytest.raises(UserError, match=message):
        select(**filters)


def test_the_selections_are_the_published_ones():
    published = json.loads((FIXTURES / "game_selection.json").read_text())
    assert {name: list(selection(name)) for name in ("pretrain", "g200", "control")} == published


def test_the_selections_hold_without_the_published_lists():
    pretrain, g200, control = (selection(name) for name in ("pretrain", "g200", "control"))
    assert (len(pretrain), len(g200), len(control)) == (483, 200, 50)
    assert g200 == pretrain[:200]
    assert set(control) <= set(pretrain)
    assert "Pitfall-Atari2600" not in pretrain  # a platformer, but not by RetroAct's labels
    with pytest.raises(UserError, match="nearest: 'g200'; all: pretrain, g200, control"):
        selection("g20")
