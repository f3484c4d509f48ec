"""A platformer of this project's own on a real NES core: the one console game here whose controls are fully known.

Its source is `platformer.c`; the ROM is compiled by cc65 (Debian: `apt-get install cc65`) and never kept.
"""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from genieredux.probe import Finding, ProbeConfig, annotate
from genieredux.probe.console import ConsoleMachine

pytest.importorskip("stable_retro")
needs_compiler = pytest.mark.skipif(shutil.which("cl65") is None, reason="no cc65 here")
NAME = "OwnPlatformer-Nes-v0"


def integration(folder: Path) -> Path:
    """The compiled ROM as a custom game of stable-retro."""
    game = folder / NAME
    game.mkdir()
    source = shutil.copy(Path(__file__).with_name("platformer.c"), folder)
    subprocess.run(["cl65", "-t", "nes", "-O", "-o", game / "rom.nes", source], check=True, cwd=folder)
    digest = hashlib.sha1((game / "rom.nes").read_bytes()[16:]).hexdigest()
    (game / "rom.sha").write_text(f"{digest}\n")
    for name, content in {"data": {"info": {}}, "scenario": {}, "metadata": {}}.items():
        (game / f"{name}.json").write_text(json.dumps(content))
    return folder


def probe_it(folder: Path) -> Finding:
    import stable_retro

    stable_retro.data.Integrations.add_custom_path(str(folder))
    env = stable_retro.make(
        NAME,
        state=stable_retro.State.NONE,
        use_restricted_actions=stable_retro.Actions.ALL,
        render_mode="rgb_array",
        inttype=stable_retro.data.Integrations.ALL,
    )
    machine = ConsoleMachine(env, "OwnPlatformer-Nes", "Nes")
    try:
        return annotate(machine, ProbeConfig(states=12))
    finally:
        machine.close()
        stable_retro.data.Integrations.clear_custom_paths()


@pytest.mark.slow
@needs_compiler
def test_every_label_of_our_own_platformer_is_found(tmp_path):
    found = probe_it(integration(tmp_path))
    assert {name: one.word for name, one in found.controls.items()} == {
        "RIGHT": "right", "LEFT": "left", "UP": "none", "DOWN": "crouch", "ACTION_JUMP": "jump",
        "ACTION_SECONDARY": "shoot",
    }  # fmt: skip
    assert (found.motion.word, found.scrolls.word, found.background.word) == ("free", "no", "no")
    assert found.played_by == {"ACTION_JUMP": "A", "ACTION_SECONDARY": "B"}
