"""docs/extending.md, letter for letter: its files are written, its commands run."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genieredux.models.world.file import shipped_world
from pages import ROOT, blocks

PAGE = "docs/extending.md"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extending")
    for code in blocks(PAGE, "python"):
        (folder / code.splitlines()[0].removeprefix("# ")).write_text(code)
    return folder


def do(line: str, place: Path) -> str:
    words = shlex.split(line)
    program = [str(ROOT / "run.py")] if words[0] == "genieredux" else []
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *program, *words[1:]]
    made = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert made.returncode == 0, f"{line}\n{made.stdout[-2000:]}\n{made.stderr[-2000:]}"
    return made.stdout


def lines(section: str) -> list[str]:
    return [line for block in blocks(PAGE, "bash", section) for line in block.splitlines()]


def test_a_game_a_tokenizer_a_dynamics_and_a_metric(place: Path) -> None:
    do(lines("A game")[0], place)
    assert "model-20.pt" in do(lines("A tokenizer")[0], place)
    assert "Difference in blue" in do(lines("A metric")[1], place)
    results = json.loads(next((place / "outputs").rglob("results.json")).read_text())
    assert results["about"]["blue"]["label"] == "Difference in blue"


def test_a_policy(place: Path) -> None:
    from genieredux.episodes import Dataset

    do(lines("A policy")[0], place)
    actions = Dataset.open(place / "datasets/gymnasium_v0.0.0_paced").actions(0)
    assert actions.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]


def test_an_import(place: Path) -> None:
    (place / "recordings").mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    np.savez(place / "recordings" / "one.npz", frames=frames, actions=np.array([0, 1, 1, 0]))
    said = [do(line, place) for line in lines("An import")]
    assert "RIGHT" in said[1]
    from genieredux.episodes import Dataset

    assert np.array_equal(Dataset.open(place / "datasets/recorded").episode(0).frames, frames)


def test_a_metric_from_the_command_line(place: Path) -> None:
    shutil.copy(shipped_world(), place / "coinrun.pt")
    played = "import genieredux as gr; gr.generate('coinrun', kind='procgen', name='coinrun', episodes=10, steps=14, \
levels=10, workers=1)"
    subprocess.run([sys.executable, "-c", played], cwd=place, check=True)
    assert "Difference in blue" in do(lines("A metric")[0], place)
