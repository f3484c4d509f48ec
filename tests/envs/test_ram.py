"""Skipped frames: nothing is drawn and the console's memory is hardly ever copied, yet every frame, reward and end is
that of the library's own `step`, four times.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from genieredux.envs import EnvConfig, transform
from genieredux.envs.ram import RamWatch, _watched
from genieredux.envs.retro import RetroGame
from genieredux.envs.vector import Start

stable_retro = pytest.importorskip("stable_retro")
AIRSTRIKER = "Airstriker-Genesis"


def ours(game, actions):
    """What the adapter gives for each action: picture, reward, end, variables."""
    game.begin(Start(0, 0))
    for action in actions:
        frame, reward, terminated, _, info = game.step(int(action))
        yield hashlib.sha1(frame.tobytes()).hexdigest(), reward, terminated, dict(info)
        if terminated:
            return


def plain(game, actions):
    """The same of `RetroEnv.step`, which draws and copies at every frame."""
    game.begin(Start(0, 0))
    env = game._env
    for action in actions:
        total = 0.0
        for _ in range(4):
            picture, reward, done, _, info = env.step(game._masks[int(action)])
            total += reward
            if done:
                break
        yield hashlib.sha1(transform(picture, 64).tobytes()).hexdigest(), total, done, dict(info)
        if done:
            return


def compare(cfg, seeds, steps):
    """Plays the same actions both ways; returns how many rewards and ends there were."""
    game = RetroGame(cfg)
    try:
        rewards = ends = 0
        for seed in range(seeds):
            actions = np.random.default_rng(seed).integers(5, size=steps)
            mine, its = list(ours(game, actions)), list(plain(game, actions))
            assert mine == its
            rewards += sum(reward != 0 for _, reward, _, _ in mine)
            ends += sum(done for _, _, done, _ in mine)
        return rewards, ends
    finally:
        game.close()


def test_airstriker_is_as_if_every_frame_were_drawn_and_copied():
    _, ends = compare(EnvConfig("retro", AIRSTRIKER), seeds=3, steps=400)
    assert ends >= 1


@pytest.fixture(scope="module")
def atari_roms(tmp_path_factory):
    """The ROMs of ale-py that stable-retro knows, in a folder of their own."""
    ale_py = pytest.importorskip("ale_py")
    folder, known = tmp_path_factory.mktemp("roms"), stable_retro.data.get_known_hashes()
    for rom in sorted(Path(ale_py.__file__).parent.joinpath("roms").glob("*.bin")):
        content = rom.read_bytes()
        if (found := known.get(hashlib.sha1(content).hexdigest())) is not None:
            (folder / found[0]).mkdir()
            (folder / found[0] / "rom.a26").write_bytes(content)
    return folder


SHORT = {  # games that score, lose lives, end, or have conditions of every kind
    "Asterix": (2, 300),
    "Breakout": (2, 320),
    "Freeway": (1, 200),
    "Pong": (1, 300),
    "Qbert": (1, 380),
}


@pytest.mark.parametrize("name", SHORT)
def test_atari_is_as_if_every_frame_were_drawn_and_copied(atari_roms, name):
    seeds, steps = SHORT[name]
    cfg = EnvConfig("retro", f"{name}-Atari2600", options={"rom_folder": str(atari_roms)})
    rewards, _ = compare(cfg, seeds, steps)
    assert rewards or name == "Freeway"


@pytest.mark.slow
def test_every_atari_game_is_as_if_every_frame_were_drawn_and_copied(atari_roms):
    games = sorted(path.name for path in atari_roms.iterdir())
    assert len(games) == 32
    found = [compare(EnvConfig("retro", game, options={"rom_folder": str(atari_roms)}), 3, 400) for game in games]
    assert sum(rewards > 0 for rewards, _ in found) > 20
    assert sum(ends > 0 for _, ends in found) > 5


@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        ({}, ()),
        (
            {"done": {"variables": {"lives": {"op": "zero"}}}, "reward": {"variables": {"score": {"reward": 1}}}},
            ("lives", "score"),
        ),
        ({"reward": {"variables": {"score": {"reward": 1, "penalty": 2}}}, "crop": {}}, ("score",)),
        ({"done": {"nodes": {"one": {"condition": "all", "variables": {"lives": {"op": "zero"}}}}}}, ("lives",)),
    ],
)
def test_the_variables_that_a_scenario_looks_at_are_found(scenario, names):
    assert _watched(scenario, {"lives", "score"}) == names


@pytest.mark.parametrize(
    "scenario",
    [
        {"scripts": ["script.lua"]},
        {"reward": {"script": "lua:reward"}},
        {"rewards": [{"variables": {"score": {"reward": 1}}}]},
        {"reward": {"variables": {"score": {"reward": 1, "measurement": "absolute"}}}},
        {"reward": {"variables": {"score": {"op": "equal", "reference": 0, "reward": 1}}}},
        {"done": {"variables": {"lives": {"op": "negative", "measurement": "delta"}}}},
        {"done": {"nodes": {"one": {"variables": {"lives": {"measurement": "delta", "op": "zero"}}}}}},
        {"done": {"variables": {"nowhere": {"op": "zero"}}}},
    ],
)
def test_what_depends_on_more_than_variables_is_asked_for_at_every_frame(scenario):
    assert _watched(scenario, {"lives", "score"}) is None


class CountingData:
    """The library's object, with variables that a test sets."""

    def __init__(self):
        self.values, self.updates = {"lives": 3}, 0

    def lookup_all(self):
        return dict(self.values)

    def lookup_value(self, name):
        return self.values[name]

    def update_ram(self):
        self.updates += 1

    def current_reward(self):
        return 7.0

    def is_done(self):
        return self.values["lives"] == 0


def test_the_memory_is_copied_only_where_a_variable_changed(tmp_path):
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps({"done": {"variables": {"lives": {"op": "zero"}}}}))
    data = CountingData()
    watch = RamWatch(data, path)
    watch.begin()
    assert watch.frame() == (7.0, False)  # the first frame of an episode is always asked for
    assert [watch.frame() for _ in range(3)] == [(0.0, False)] * 3
    assert data.updates == 1
    data.values["lives"] = 0
    assert watch.frame() == (7.0, True)
    watch.begin()
    assert watch.frame() == (7.0, True)
    assert data.updates == 3
