"""What goes wrong while collecting: crashing, hanging and broken games, a full disk, Ctrl-C, kill -9.

The processes and signals are real; the game that misbehaves is the fake one, told when (`envs.fake.Fault`).
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genieredux.collect import GamesFailed, GeneratorConfig, SilentReporter, SplitConfig, collect, job
from genieredux.collect.backends import LocalBackend
from genieredux.collect.engine import MAX_DEATHS
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.policies import VARIANTS
from genieredux.policies.scripted import RandomPolicy

QUIET = SilentReporter()
SOURCE = Path(job.__file__).parents[2]


class Meddler(SilentReporter):
    """Does something once a number of episodes is on its way to the disk."""

    def __init__(self, after, act):
        self.after, self.act = after, act

    def update(self, standing):
        if standing.episodes >= self.after and self.act:
            act, self.act = self.act, None
            act()


def interrupt():
    raise KeyboardInterrupt


def faulty(small, root, *faults, games=("Fake",), workers=2):
    """Six short episodes of each game, in two groups, with faults."""
    amounts = GeneratorConfig(n_instances=3, n_sessions=3, n_steps_max=30, n_workers=workers)
    splits = (SplitConfig("train"), SplitConfig("more", "held", start_level=100))
    options = {"faults": [dict(fault) for fault in faults]} if faults else {}
    return small(root, games=games, generator_config=amounts, splits=splits, options=options)


def times(tmp_path, count):
    """A file that lets a fault happen so often."""
    path = tmp_path / f"times-{count}"
    path.write_text(str(count))
    return str(path)


def episodes_of(files_of, path):
    return {name: content for name, content in files_of(path).items() if name.startswith("episodes")}


@pytest.mark.parametrize("what", ["crash", pytest.param("kill", marks=pytest.mark.slow)])
def test_a_game_that_dies_in_mid_episode_costs_nothing_but_time(small, tmp_path, inline, files_of, what):
    undisturbed = collect(faulty(small, "undisturbed"), QUIET, inline)
    fault = {"what": what, "level": 1, "step": 5, "file": times(tmp_path, MAX_DEATHS - 1)}
    summary = collect(faulty(small, what, fault), QUIET)
    assert summary.lost == MAX_DEATHS - 1
    assert summary.episodes == undisturbed.episodes == 6
    assert episodes_of(files_of, summary.path) == episodes_of(files_of, undisturbed.path)


def test_a_game_whose_code_fails_is_given_up_with_the_cause_and_the_line(small):
    fault = {"what": "raise", "level": 1, "step": 5}
    with pytest.raises(GamesFailed, match=r"its step failed: RuntimeError: the fake game was told to fail") as error:
        collect(faulty(small, "raise", fault), QUIET)
    assert "died" not in str(error.value)
    assert error.value.summary.lost == 0


def test_where_every_game_is_given_up_before_its_first_episode_no_folder_is_left(small, inline):
    cfg = faulty(small, "nothing", {"what": "raise", "step": 5})
    with pytest.raises(GamesFailed, match=r"0 new episodes are stored") as error:
        collect(cfg, QUIET, inline)
    assert not error.value.summary.path.exists()


def test_two_runs_of_one_command_at_once_make_the_data_set_together(small, inline, files_of, caplog):
    undisturbed = collect(faulty(small, "undisturbed"), QUIET, inline)
    cfg = faulty(small, "together")
    summary = collect(cfg, Meddler(1, lambda: collect(cfg, QUIET, inline)), inline)
    assert (summary.total_episodes, caplog.text.count("another run plays the same episodes")) == (6, 1)
    assert episodes_of(files_of, summary.path) == episodes_of(files_of, undisturbed.path)
    assert len(Dataset.open(summary.path, verify=True)) == 6


def test_a_game_that_hangs_is_killed_and_played_again(small, tmp_path, inline, files_of):
    undisturbed = collect(faulty(small, "undisturbed"), QUIET, inline)
    fault = {"what": "hang", "level": 101, "file": times(tmp_path, 1)}
    backends = []

    def impatient(workers):
        backends.append(LocalBackend(workers, step_seconds=2.5))
        return backends[0]

    summary = collect(faulty(small, "hung", fault), QUIET, impatient)
    assert summary.lost == 1
    assert episodes_of(files_of, summary.path) == episodes_of(files_of, undisturbed.path)
    assert not backends[0].pids


def test_a_game_that_dies_and_dies_is_given_up_and_the_others_go_on(small, tmp_path, inline, files_of):
    games = ("Before", "Cursed", "After")
    whole = collect(faulty(small, "whole", games=games), QUIET, inline)
    fault = {"what": "crash", "game": "Cursed", "level": 1, "file": times(tmp_path, MAX_DEATHS)}
    cfg = faulty(small, "cursed", fault, games=games)
    with pytest.raises(
        GamesFailed, match=rf"1 of the games.*Cursed.*died {MAX_DEATHS} times.*SIGSEGV.*same command"
    ) as error:
        collect(cfg, QUIET)
    assert "\n" not in str(error.value)
    summary = error.value.summary
    assert set(summary.failed) == {"Cursed"}
    stored = episodes_of(files_of, summary.path)
    assert {name: stored[name] for name in stored} == {
        name: content for name, content in episodes_of(files_of, whole.path).items() if name in stored
    }
    games_stored = [Dataset.open(summary.path).episode(i).game for i in range(summary.total_episodes)]
    assert (games_stored.count("Before"), games_stored.count("After")) == (6, 6)
    assert games_stored.count("Cursed") < 6
    healed = collect(cfg, QUIET, inline)  # the same command, and the curse is spent
    assert healed.total_episodes == 18
    assert episodes_of(files_of, healed.path) == episodes_of(files_of, whole.path)


def test_a_game_that_cannot_be_opened_is_given_up_with_its_reason(small):
    """The second game's package is found when the games are listed, and gone when a worker opens it."""
    cfg = small(
        kind="gymnasium",
        games=("genieredux.envs.fake:FakeGame", "fleeting_game:Fleeting"),
        generator_config=GeneratorConfig(n_instances=1, n_sessions=2, n_steps_max=5, n_workers=1),
        splits=(SplitConfig(),),
    )
    folder = Path(cfg.root).parent
    (folder / "fleeting_game.py").write_text(
        "from genieredux.envs.fake import FakeGame\n"
        "def Fleeting(render_mode):\n    return FakeGame(render_mode, name='Fleeting')\n"
    )
    sys.path.insert(0, str(folder))
    try:
        with pytest.raises(GamesFailed, match=r"Fleeting: .*cannot be imported") as error:
            collect(cfg, QUIET, lambda workers: vanish(folder, workers))
    finally:
        sys.path.remove(str(folder))
    assert error.value.summary.episodes == 2


def vanish(folder, workers):
    (folder / "fleeting_game.py").unlink()
    return LocalBackend(workers)


class Together(RandomPolicy):
    """A policy for all environments at once."""

    plays_alone = False


def test_in_lock_step_too_a_death_costs_nothing_and_a_cursed_game_is_given_up(
    small, tmp_path, inline, files_of, monkeypatch
):
    undisturbed = collect(faulty(small, "undisturbed", games=("Fake", "Cursed")), QUIET, inline)
    monkeypatch.setitem(VARIANTS, "random", f"{__name__}:Together")
    once = {"what": "kill", "level": 1, "file": times(tmp_path, 1)}
    always = {"what": "kill", "level": 2, "game": "Cursed"}
    with pytest.raises(GamesFailed, match="Cursed") as error:
        collect(faulty(small, "meddled", once, always, games=("Fake", "Cursed")), QUIET, inline)
    summary = error.value.summary
    assert summary.lost == 1 + MAX_DEATHS
    stored = episodes_of(files_of, summary.path)
    whole = episodes_of(files_of, undisturbed.path)
    assert all(whole[name] == content for name, content in stored.items())
    assert len([name for name in stored if "Fake" in name]) == 6


def test_in_lock_step_too_a_game_whose_code_fails_costs_itself_alone(small, inline, monkeypatch):
    fault = {"what": "raise", "step": 5, "game": "Broken"}
    monkeypatch.setitem(VARIANTS, "random", f"{__name__}:Together")
    with pytest.raises(GamesFailed, match=r"Broken: .*RuntimeError: the fake game was told to fail") as error:
        collect(faulty(small, "raise", fault, games=("Broken", "Fake")), QUIET, inline)
    assert set(Dataset.open(error.value.summary.path).index["game"].to_pylist()) == {"Fake"}
    assert error.value.summary.total_episodes == 6


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm"])
def test_an_interrupted_collection_is_valid_and_continues(small, how, inline, files_of):
    act = interrupt if how == "ctrl-c" else lambda: os.kill(os.getpid(), signal.SIGTERM)
    whole = files_of(collect(small("whole"), QUIET, inline).path)
    before = signal.getsignal(signal.SIGTERM)
    cfg = small()
    with pytest.raises(KeyboardInterrupt):
        collect(cfg, Meddler(7, act), inline)
    assert signal.getsignal(signal.SIGTERM) is before
    path = Path(cfg.root) / cfg.connector.dataset_name
    part = Dataset.open(path)
    assert 7 <= len(part) < 21
    assert all(len(part.episode(i)) == part.lengths[i] for i in range(len(part)))
    summary = collect(cfg, QUIET, inline)
    assert summary.episodes + len(part) == 21
    assert files_of(path) == whole


SCRIPT = """
import sys, resource
from genieredux.collect import *
from genieredux.errors import UserError
root, file_limit, sessions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if file_limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
amounts = GeneratorConfig(n_instances=3, n_sessions=3 * sessions, n_steps_max=40, n_workers=2)
splits = (SplitConfig("train"), SplitConfig("test.held", "held", start_level=100, n_sessions=3))
connector = ConnectorConfig(
    name="fake", kind="fake", games=("Fake",), generator_config=amounts, splits=splits
)
try:
    collect(CollectConfig(connector, root=root), SilentReporter())
except UserError as error:
    sys.exit(f"user error: {error}")
"""


def script(root, file_limit=0, sessions=6):
    """A collection in a program of its own, which (as many do) does not guard its main part."""
    command = [sys.executable, "-c", SCRIPT, str(root), str(file_limit), str(sessions)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def children_of(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


def is_running(pid):
    """Running, and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_kill_9_loses_at_most_what_was_unfinished(small, tmp_path, inline, files_of):
    whole = files_of(collect(small("whole", sessions=80), QUIET, inline).path)
    process = script(tmp_path / "killed", sessions=80)
    episodes = tmp_path / "killed" / "fake_v0.0.0" / "episodes"
    deadline = time.monotonic() + 60
    while len(list(episodes.glob("*.parquet"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    assert len(workers) == 2
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, workers))
    part = {k: v for k, v in files_of(tmp_path / "killed" / "fake_v0.0.0").items() if k.endswith(".parquet")}
    assert 5 <= len(part) < len(whole) - 1
    assert all(whole[name] == content for name, content in part.items())
    summary = collect(small("killed", sessions=80), QUIET, inline)
    assert summary.episodes == 243 - len(part)
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
    assert not [name for name in left if ".unfinished-" in name]
    assert not [name for name in left if name.startswith("episodes")]  # all are larger than the limit
    assert not children_of(process.pid)


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_command_says_how_to_go_on(tmp_path, stop):
    words = ["config.connector.kind=fake", "config.connector.games=[Fake]", "config.connector.name=fake"]
    amounts = ["config.connector.generator_config.n_sessions=100000", f"root={tmp_path}", "collect.max_gb=1000"]
    # A shell's background job ignores SIGINT, and so would whatever it starts.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    main = f"{heard}; from genieredux.cli.main import main; main()"
    program = [sys.executable, "-c", main, "generate", *words, *amounts]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/episodes/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = children_of(process.pid)
    process.send_signal(stop)
    _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on" in message
    assert "Traceback" not in message
    assert workers
    assert not any(map(is_running, workers))
    assert len(Dataset.open(next(tmp_path.iterdir()))) >= 1


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


def test_a_full_disk_is_answered_in_one_line_and_leaves_whole_episodes(small, full_disk, inline):
    cfg = small("disk", sessions=200)
    with pytest.raises(UserError, match=r"(?i)disk|space"):
        collect(cfg, QUIET, inline)
    data = Dataset.open(full_disk / "fake_v0.0.0")
    assert len(data) > 3
    assert all(len(data.episode(i)) == data.lengths[i] for i in range(len(data)))
    assert not list(full_disk.rglob(".*.unfinished-*"))


def test_workers_are_ended_whatever_happens(small):
    backends, pids = [], []

    def make(workers):
        backends.append(LocalBackend(workers))
        return backends[-1]

    def note_and_interrupt():
        pids.extend(backends[0].pids.values())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(small(workers=2, sessions=50), Meddler(2, note_and_interrupt), make)
    assert pids
    assert not any(map(is_running, pids))
