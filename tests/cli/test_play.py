"""`genieredux play`: what is wrong is one line, before anything is listened on."""

import pytest

from genieredux.cli import play as cli
from genieredux.cli.play import play
from genieredux.errors import UserError


@pytest.fixture
def served(monkeypatch):
    """What `serve` is called with, instead of serving."""
    calls = []
    monkeypatch.setattr("genieredux.play.serve", lambda *given, **named: calls.append((*given, named)))
    return calls


def test_a_world_is_named_by_a_word_of_its_own(served):
    play(["coinrun", "browser=false", "fps=20", "players=2"])
    ((scenes, settings, policies, host, port, browser, _),) = served
    assert scenes.names[0] == "coinrun"
    assert (settings.fps, settings.players, settings.token) == (20.0, 2, None)
    assert str(settings.folder) == "datasets"
    assert (policies.agent, host, port, browser) == (None, "127.0.0.1", 8765, False)


def test_others_are_let_in_with_a_token_and_record_nothing_unasked(served):
    play(["host=0.0.0.0"])
    play(["host=0.0.0.0", "token=sesame", "record=kept"])
    unasked, asked = (call[1] for call in served)
    assert len(unasked.token) >= 12
    assert unasked.folder is None
    assert (asked.token, str(asked.folder)) == ("sesame", "kept")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fps=0"], "fps is 0"),
        (["fps=nan"], "fps is"),
        (["players=0"], "players is 0"),
        (["prompts=0"], "prompts is 0"),
        (["host=somewhere"], "host is 'somewhere'"),
        (["world=nothere.pt"], "no checkpoint at nothere.pt"),
        (["game=procgn:coinrun"], "did you mean procgen"),
        (["game=procgen:coinru"], "did you mean coinrun"),
        (["calibration=nothere.json"], "nothere.json has no calibration"),
        (["agent=nothere.pt"], "agent=nothere.pt"),
        (["wrold=x"], "did you mean"),
        (["coinrun", "other"], "cannot read 'other'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words, said, monkeypatch):
    monkeypatch.setattr("genieredux.play.server.listen", lambda *address: pytest.fail("it is listened on"))
    with pytest.raises(UserError, match=said) as error:
        play([*words, "browser=false"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_said_before_a_world_is_opened(port, monkeypatch):
    monkeypatch.setattr("genieredux.models.world.file.find_world", lambda world: pytest.fail("a world is looked for"))
    with pytest.raises(UserError, match=f"port is {port}; it must be from 0 to 65535"):
        play(["coinrun", f"port={port}"])


def test_help_is_shown_without_a_world(capsys):
    cli.play(["--help"])
    shown = capsys.readouterr().out
    for key in ("world", "game", "calibration", "record", "host", "token", "players"):
        assert f"  {key}=" in shown
