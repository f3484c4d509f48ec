import pytest

from genieredux.play.bindings import bind

COINRUN = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
PLATFORMER = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")


@pytest.mark.parametrize("names", [COINRUN, PLATFORMER, ("NOOP", "FIRE", "LEFT_FIRE", "A", "B"), ("0", "1")])
def test_every_action_can_be_reached(names):
    bindings = bind(names)
    reachable = set(bindings.keys.values())
    for action, chord in enumerate(bindings.chords):
        assert set(chord) <= reachable
        assert bindings.resolve(chord) == action


def test_chords_of_keys():
    resolve = bind(COINRUN).resolve
    assert resolve(["RIGHT", "UP"]) == resolve(["UP", "RIGHT"]) == 4
    assert resolve(["LEFT", "UP"]) == 3  # no such action: the latest key wins
    assert resolve(["UP", "LEFT"]) == 1
    assert resolve(["LEFT", "UP", "RIGHT"]) == 4
    assert resolve(["NOWHERE"]) is None
    assert resolve([]) is None


def test_space_jumps():
    assert bind(COINRUN).keys["Space"] == "UP"
    assert bind(PLATFORMER).keys["Space"] == "JUMP"
    assert bind(("LEFT", "FIRE")).keys["Space"] == "FIRE"
    assert bind(PLATFORMER).keys["KeyA"] == "LEFT"


def test_standing_still_is_an_action_where_there_is_one():
    assert bind(COINRUN).idle is None
    assert bind(("NOOP", "LEFT")).idle == 0
    assert bind(("NOOP", "LEFT")).resolve([]) == 0


def test_commands_keep_their_keys():
    many = tuple(f"BUTTON{i}" for i in range(30)) + COINRUN
    assert not {"KeyR", "KeyN", "KeyP", "KeyK", "KeyE"} & set(bind(many).keys)
