import pytest

from genieredux.play.bindings import bind

COINRUN = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")
PLATFORMER = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
RETROACT = ("NOOP", *PLATFORMER, "RIGHT+ACTION_JUMP", "LEFT+ACTION_JUMP", "RIGHT+UP+ACTION_JUMP")


@pytest.mark.parametrize(
    "names",
    [COINRUN, PLATFORMER, RETROACT, ("A+B", "A", "B", "+"), ("NOOP", "FIRE", "LEFT_FIRE", "A", "B"), ("0", "1")],
)
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


def test_names_joined_by_a_plus_are_chords():
    """As console actions are written, and as published data sets' button combinations are read."""
    bindings = bind(RETROACT)
    assert bindings.chords[6:] == (("RIGHT", "JUMP"), ("LEFT", "JUMP"), ("RIGHT", "UP", "JUMP"))
    assert set(bindings.keys.values()) == {"RIGHT", "LEFT", "UP", "DOWN", "JUMP"}
    assert bindings.resolve(["LEFT", "JUMP"]) == bindings.resolve(["JUMP", "LEFT"]) == 7
    assert bindings.resolve(["JUMP", "UP", "RIGHT"]) == 8
    assert bindings.resolve([]) == 0
    assert bind(("left+jump", "LIGHT_PUNCH+RIGHT")).chords == (("LEFT", "JUMP"), ("LIGHT_PUNCH", "RIGHT"))
    assert bind(("NOOP+LEFT",)).chords == (("LEFT",),)


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
