"""Console games: names, ROMs and their hashes, buttons, frame skip, and equality with the published data."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from genieredux.envs import EnvConfig, make
from genieredux.envs.retro import RetroGame, resolve
from genieredux.envs.vector import Start
from genieredux.errors import UserError
from published_cases import folders

stable_retro = pytest.importorskip("stable_retro")
GAME = "Airstriker-Genesis"
START = Start(0, 0)


@pytest.fixture
def game():
    """One emulator in this process: only ever one at a time."""
    made = []

    def build(**values):
        made.append(RetroGame(EnvConfig("retro", GAME, **values)))
        return made[-1]

    yield build
    for one in made:
        one.close()


def rom_folder(tmp_path, content):
    folder = tmp_path / "roms"
    (folder / f"{GAME}-v0").mkdir(parents=True)
    (folder / f"{GAME}-v0" / "rom.md").write_bytes(content)
    return folder


@pytest.mark.parametrize("name", [GAME, f"{GAME}-v0"])
def test_a_name_works_with_and_without_version(name):
    assert resolve(EnvConfig("retro", name)) == GAME


def test_an_unknown_game_is_answered_with_the_nearest():
    with pytest.raises(UserError, match="nearest: 'Airstriker-Genesis'"):
        make(EnvConfig("retro", "Airstrike-Genesis"), 1, 0)
    with pytest.raises(UserError, match="names are <Game>-<Console>"):
        make(EnvConfig("retro", "Airstriker"), 1, 0)


def test_a_missing_rom_says_how_to_import_it():
    with pytest.raises(UserError, match="genieredux retroact import-roms FOLDER"):
        make(EnvConfig("retro", "SuperMarioBros-Nes"), 1, 0)


def test_a_wrong_rom_is_refused(tmp_path):
    folder = rom_folder(tmp_path, b"not this game" * 1000)
    with pytest.raises(UserError, match="SHA-1 differs"):
        make(EnvConfig("retro", GAME, options={"rom_folder": str(folder)}), 1, 0)


def test_the_right_rom_in_a_folder_of_ones_own_is_played(tmp_path, game):
    bundled = stable_retro.data.get_romfile_path(f"{GAME}-v0", stable_retro.data.Integrations.STABLE)
    folder = rom_folder(tmp_path, b"")
    shutil.copy(bundled, folder / f"{GAME}-v0" / "rom.md")
    frame, info = game(options={"rom_folder": str(folder)}).begin(START)
    assert frame.max() > 0
    assert info["lives"] == 3


def test_unknown_options_and_states_are_refused():
    with pytest.raises(UserError, match="rom_folder"):
        make(EnvConfig("retro", GAME, options={"rom_dir": "x"}), 1, 0)
    with pytest.raises(UserError, match="no folder"):
        make(EnvConfig("retro", GAME, options={"rom_folder": "/no/such/folder"}), 1, 0)
    with pytest.raises(UserError, match="Level1"):
        make(EnvConfig("retro", GAME, options={"state": "Level99"}), 1, 0)


def test_an_action_is_held_for_the_skipped_frames_and_the_last_is_seen(game):
    skipping = game(frame_skip=4)
    skipping.begin(START)
    seen = [skipping.step(action)[0].copy() for action in (0, 4, 1)]
    skipping.close()
    single = game(frame_skip=1)
    single.begin(START)
    each = [single.step(action)[0].copy() for action in (0, 4, 1) for _ in range(4)]
    np.testing.assert_array_equal(seen, each[3::4])


def test_right_and_left_move_the_ship_apart(game):
    one = game()
    one.begin(START)
    pictures = {}
    for name in ("RIGHT", "LEFT"):
        one.begin(START)
        for _ in range(20):
            frame = one.step(one.action_names.index(name))[0]
        pictures[name] = frame.astype(int)
    assert np.abs(pictures["RIGHT"] - pictures["LEFT"]).max() > 60


def published_sessions():
    (root, *more) = folders("dataset_frame/retro_act_v0.0.0/retro_airstriker-genesis_v0.0.0")
    return sorted(path.parent for path in (more[0] if more else root).glob("*/*/actions.json"))


def test_replaying_published_actions_gives_the_published_frames(game):
    """The published sessions, action by action: same variables, same pictures but for their JPEG noise."""
    one = game()
    sessions = published_sessions()
    assert sessions
    for session in sessions:
        one.begin(START)
        for entry in json.loads((session / "actions.json").read_text())["actions"]:
            frame, _, _, _, info = one.step(int(np.argmax(entry["action"])))
            assert dict(info) == entry["extras"]
            stored = cv2.imread(str(session / "frames" / f"{entry['tgt_id']:06d}.jpg"))[:, :, ::-1]
            assert np.abs(frame.astype(int) - stored).mean() < 6.0


def test_start_frames_pass_with_no_button_held():
    cfg = EnvConfig("retro", "Airstriker-Genesis", action_names=("NOOP", "RIGHT"), frame_skip=4)
    waiting, playing = make(replace(cfg, start_frames=40), 1, seed=0), make(cfg, 1, seed=0)
    first, info = waiting.reset()
    at_once, _ = playing.reset()
    for _ in range(10):
        later, *_, then = playing.step(np.array([0]))
    np.testing.assert_array_equal(first, later)
    assert (first != at_once).any()
    assert info["score"][0] == then["score"][0]
    for env in (waiting, playing):
        env.close()
