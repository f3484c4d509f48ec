"""The real emulator: Airstriker, whose ROM comes with stable-retro; and games that cannot be probed."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from genieredux.cli.main import run
from genieredux.errors import UserError
from genieredux.probe import Finding, ProbeConfig, agreement, probe
from genieredux.probe.branches import branch, reach
from genieredux.probe.console import open_console

pytest.importorskip("stable_retro")
GAME = "Airstriker-Genesis"


@pytest.fixture(scope="module")
def airstriker():
    ((game, found),) = probe([GAME], ProbeConfig(states=6))
    assert game == GAME
    return found


def test_airstriker_is_annotated(airstriker):
    assert airstriker.motion.word == "h"
    assert airstriker.controls["RIGHT"].word == "right"
    assert airstriker.controls["RIGHT"].dx > 10
    assert airstriker.buttons["B"].word == "shoot"
    assert airstriker.buttons["B"].dy < -10
    assert {airstriker.buttons[name].word for name in ("UP", "DOWN", "A", "C", "X", "Y", "Z")} == {"none"}
    assert airstriker.played_by == {"ACTION_JUMP": "C", "ACTION_SECONDARY": "B"}
    assert agreement([airstriker]).motion[0].agrees


def test_branches_of_a_restored_state_repeat():
    machine = open_console(GAME)
    try:
        state = next(reach(machine, np.random.default_rng(0)))
        first, again = branch(machine, state, ("RIGHT",)), branch(machine, state, ("RIGHT",))
        assert first.variables == again.variables
        np.testing.assert_array_equal(first.pictures, again.pictures)
        assert set(machine.buttons).isdisjoint({"START", "MODE"})
    finally:
        machine.close()
        machine.close()


def children():
    """The child processes of this one that run `runs/child.py`."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in found if b"child.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_an_emulator_that_dies_costs_its_game_alone():
    killed = []

    def news(game, states):
        if not killed:
            (pid,) = children()
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    answers = dict(probe([GAME, "Airstriker-Genesis-v0"], ProbeConfig(states=4), 1, news))
    assert isinstance(answers[GAME], UserError)
    assert "died (SIGKILL)" in str(answers[GAME])
    assert isinstance(answers["Airstriker-Genesis-v0"], Finding)


def test_leaving_early_leaves_no_process():
    for _ in probe(["SuperMarioBros-Nes", GAME, GAME], ProbeConfig(states=4), 2):
        break
    assert not children()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["SuperMarioBros-Nes"], "import-roms FOLDER"),
        (["Airstrikr-Genesis"], "nearest: Airstriker-Genesis"),
        ([], "retroact probe GAME..."),
        ([GAME, "states=many"], "whole number"),
        ([GAME, "states=1"], "4 to 500"),
        ([GAME, "stats=9"], "did you mean 'states'"),
        ([GAME, "format=csv"], "table, json"),
        ([GAME, "workers=0"], "from 1 to"),
        ([GAME, "out=picture"], "picture.png"),
    ],
)
def test_bad_input_is_answered_in_one_line(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["retroact", "probe", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in error
    assert not list(tmp_path.iterdir())
