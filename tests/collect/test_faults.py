"""What goes wrong while collecting: dead emulators, a full disk, Ctrl-C, kill -9."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genieredux.collect import GeneratorConfig, SilentReporter, SplitConfig, collect, job
from genieredux.collect.play import MAX_DEATHS
from genieredux.envs.vector import GameVectorEnv
from genieredux.episodes import Dataset
from genieredux.errors import UserError

QUIET = SilentReporter()
SOURCE = Path(job.__file__).parents[2]


class Meddler(SilentReporter):
    """Does something after a number of stored episodes."""

    def __init__(self, after, act):
        self.left, self.act = after, act

    def advance(self, units, frames):
        self.left -= 1
        if self.left == 0:
            self.act()


def interrupt():
    raise KeyboardInterrupt


def retro(small, root="data", sessions=4):
    amounts = GeneratorConfig(n_sessions=sessions, n_steps_max=30, n_workers=2)
    return small(root, kind="retro", games=("Airstriker-Genesis",), generator_config=amounts, splits=(SplitConfig(),))


def test_an_emulator_killed_in_mid_episode_costs_nothing_but_time(small, monkeypatch, files_of):
    undisturbed = files_of(collect(retro(small), QUIET).path)
    real_make = job.make

    def make_and_meddle(*args):
        env, steps = real_make(*args), []
        real_step = env.step

        def step(actions):
            steps.append(0)
            if len(steps) in (10, 50):
                os.kill(env.pids[len(steps) % 2], signal.SIGKILL)
            return real_step(actions)

        monkeypatch.setattr(env, "step", step)
        return env

    monkeypatch.setattr(job, "make", make_and_meddle)
    summary = collect(retro(small, "meddled"), QUIET)
    assert summary.lost == 2
    assert files_of(summary.path) == undisturbed


def test_an_episode_that_always_kills_its_emulator_is_given_up(small, monkeypatch):
    real_make = job.make

    def make_and_kill(*args):
        env = real_make(*args)
        real_step = env.step

        def step(actions):
            os.kill(env.pids[0], signal.SIGKILL)
            return real_step(actions)

        monkeypatch.setattr(env, "step", step)
        return env

    monkeypatch.setattr(job, "make", make_and_kill)
    cfg = retro(small, sessions=1)
    with pytest.raises(UserError, match=f"died {MAX_DEATHS} times"):
        collect(cfg, QUIET)
    assert not list((Path(cfg.root) / cfg.connector.dataset_name / "episodes").iterdir())


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm"])
def test_an_interrupted_collection_is_valid_and_continues(small, how, files_of):
    act = interrupt if how == "ctrl-c" else lambda: os.kill(os.getpid(), signal.SIGTERM)
    whole = files_of(collect(small("whole"), QUIET).path)
    before = signal.getsignal(signal.SIGTERM)
    cfg = small()
    with pytest.raises(KeyboardInterrupt):
        collect(cfg, Meddler(7, act))
    assert signal.getsignal(signal.SIGTERM) is before
    path = Path(cfg.root) / cfg.connector.dataset_name
    part = Dataset.open(path)
    assert 7 <= len(part) < 21
    assert all(len(part.episode(i)) == part.lengths[i] for i in range(len(part)))
    summary = collect(cfg, QUIET)
    assert summary.episodes + len(part) == 21
    assert files_of(path) == whole


SCRIPT = """
import sys, resource
from genieredux.collect import *
from genieredux.errors import UserError
if __name__ == "__main__":
    root, file_limit, sessions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    amounts = GeneratorConfig(n_instances=3, n_sessions=sessions, n_steps_max=40, n_workers=1)
    splits = (SplitConfig("train"), SplitConfig("test.held", "held", start_level=100, n_sessions=1))
    connector = ConnectorConfig(
        name="fake", kind="fake", games=("Fake",), generator_config=amounts, splits=splits
    )
    try:
        collect(CollectConfig(connector, root=root), SilentReporter())
    except UserError as error:
        sys.exit(f"user error: {error}")
"""


def script(root, file_limit=0, sessions=6):
    command = [sys.executable, "-c", SCRIPT, str(root), str(file_limit), str(sessions)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_kill_9_loses_at_most_what_was_unfinished(small, tmp_path, files_of):
    whole = files_of(collect(small("whole", sessions=60), QUIET).path)
    process = script(tmp_path / "killed", sessions=60)
    episodes = tmp_path / "killed" / "fake_v0.0.0" / "episodes"
    deadline = time.monotonic() + 60
    while len(list(episodes.glob("*.parquet"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    part = {k: v for k, v in files_of(tmp_path / "killed" / "fake_v0.0.0").items() if k.endswith(".parquet")}
    assert 5 <= len(part) < len(whole) - 1
    assert all(whole[name] == content for name, content in part.items())
    summary = collect(small("killed", sessions=60), QUIET)
    assert summary.episodes == 183 - len(part)
    assert files_of(summary.path) == whole


def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path, files_of):
    """A limit on file sizes stands in for a disk that fills up in the middle of an episode."""
    process = script(tmp_path, file_limit=2500)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "user error:" in message
    assert message.strip().splitlines()[-1].startswith("user error:")
    assert "Traceback" not in message
    left = files_of(tmp_path / "fake_v0.0.0")
    assert not [name for name in left if name.endswith(".tmp")]
    assert not [name for name in left if name.startswith("episodes")]  # all are larger than the limit


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 400 KB, where mounting is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)  # readers may still hold files


def test_a_full_disk_is_answered_in_one_line_and_leaves_whole_episodes(small, full_disk):
    cfg = small("disk", sessions=200)
    with pytest.raises(UserError, match=r"(?i)disk|space"):
        collect(cfg, QUIET)
    data = Dataset.open(full_disk / "fake_v0.0.0")
    assert len(data) > 3
    assert all(len(data.episode(i)) == data.lengths[i] for i in range(len(data)))
    assert not list(full_disk.rglob("*.tmp"))


def test_environments_are_closed_whatever_happens(small, monkeypatch):
    made, closed = [], []
    real_make, real_close = job.make, GameVectorEnv.close

    def counting_make(*args):
        made.append(real_make(*args))
        return made[-1]

    monkeypatch.setattr(job, "make", counting_make)
    monkeypatch.setattr(GameVectorEnv, "close", lambda env: (closed.append(env), real_close(env)))
    with pytest.raises(KeyboardInterrupt):
        collect(small(), Meddler(2, interrupt))
    collect(small(), QUIET)
    assert closed
    assert [id(env) for env in made] == [id(env) for env in closed]
    assert np.all([env.closed for env in made])
