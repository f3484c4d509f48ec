"""Collection on a Ray cluster: a real one of two nodes on this machine, started here.

What is collected is compared with what workers in this process make of the same configuration, byte by byte.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from genieredux.cli.main import run
from genieredux.collect import GamesFailed, GeneratorConfig, SilentReporter, SplitConfig, collect, roms
from genieredux.collect.backends.choice import BackendConfig, chosen
from genieredux.collect.backends.local import TRADE
from genieredux.collect.backends.ray_backend import RayBackend
from genieredux.collect.engine import MAX_DEATHS
from genieredux.collect.tasks import Played
from genieredux.envs import EnvConfig
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.retroact.roms import import_roms, rom_path
from genieredux.runs.backends import ray_actors, ray_seat
from genieredux.runs.backends.ray_cluster import connected, library

QUIET = SilentReporter()
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
QUICK_TO_NOTICE = {
    "worker_niceness": 0,
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 2,
}


@pytest.fixture(scope="module")
def cluster():
    """A head with one CPU. Nothing of it is left afterwards."""
    pytest.importorskip("ray")
    library()
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="gr-", dir="/tmp")
    handler = signal.getsignal(signal.SIGTERM)
    head = {**NODE, "temp_dir": folder, "_system_config": QUICK_TO_NOTICE}
    Path("/tmp/ray").mkdir(exist_ok=True)  # Ray notes its newest cluster there and makes no folder
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()
    signal.signal(signal.SIGTERM, handler)
    wait_until(lambda: not processes_with(folder))
    left = processes_with(folder)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left


@pytest.fixture
def second_node(cluster):
    """Another node with one CPU, which a test may kill: a list with the node in it, or not any more."""
    nodes = [cluster.add_node(**NODE)]
    yield nodes
    for node in nodes:
        cluster.remove_node(node, allow_graceful=False)


@contextmanager
def on(cluster, n_workers=2, **patience):
    """Connected to the cluster; gives what makes backends, and the backends made."""
    backends = []

    def make(_):
        backends.append(RayBackend(workers, **patience))
        return backends[-1]

    with connected(cluster.address, n_workers) as workers:
        yield make, backends


class Meddler(SilentReporter):
    """Does something once a number of episodes is on its way to the disk."""

    def __init__(self, after, act):
        self.after, self.act = after, act

    def update(self, standing):
        if standing.episodes >= self.after and self.act():
            self.after = float("inf")


def all_seated(backend):
    """Wait until Ray has started all actors, so that few episodes are enough for all to have a share."""
    if refs := [slot.sitting for slot in backend.slots if slot.sitting is not None]:
        library().wait(refs, num_returns=len(refs), timeout=120)
    return True


def wait_until(is_so, seconds=30):
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)


def processes_with(word):
    """Running processes in whose command line the word is."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = (path / "stat").read_text().rsplit(")", 1)[1].split()[0]
            if state != "Z" and word.encode() in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def seats(*nodes):
    """Processes of actors on nodes: Ray renames them."""
    raylets = [info.process.pid for node in nodes for info in node.all_processes.get("raylet", ())]
    found = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in found.stdout.splitlines()]
    return [int(pid) for pid, parent, *words in rows if int(parent) in raylets and "ray::Seat" in "".join(words)]


def some(small, root, sessions=8, games=("Fake", "Other"), options=None, **values):
    """Some dozen short episodes in two groups a game: sessions on each of three levels, and one by frames."""
    amounts = GeneratorConfig(n_instances=3, n_steps_max=40, n_workers=2)
    splits = (
        SplitConfig("train", n_sessions=3 * sessions),
        SplitConfig("more", "held", start_level=100, n_instances=40, n_frames=200),
    )
    return small(root, games=games, generator_config=amounts, splits=splits, options=options or {}, **values)


def episodes_of(files_of, path):
    return {name: content for name, content in files_of(path).items() if name.startswith("episodes")}


def test_two_nodes_give_the_same_bytes_as_one_machine(small, inline, files_of, cluster, second_node):
    one = files_of(collect(some(small, "one"), QUIET, inline).path)
    with on(cluster) as (make, backends):
        frames = Counter()

        def listening(workers):
            backend = make(workers)
            messages = backend.completed

            def completed():
                for worker, message in messages():
                    if isinstance(message, Played):
                        frames[backend.places[worker].node] += message.episode.meta.length
                    yield worker, message

            backend.completed = completed
            return backend

        summary = collect(some(small, "two"), Meddler(1, lambda: all_seated(backends[0])), listening)
        assert frames.keys() == {node.node_id for node in (cluster.head_node, *second_node)}
        assert sum(frames.values()) >= summary.frames
        assert summary.lost == 0
    assert files_of(summary.path) == one
    wait_until(lambda: not seats(cluster.head_node, *second_node))
    assert not seats(cluster.head_node, *second_node)


def test_a_node_killed_in_the_middle_loses_nothing(small, inline, files_of, cluster, second_node, caplog):
    one = files_of(collect(some(small, "one", sessions=25), QUIET, inline).path)
    with on(cluster) as (make, backends):

        def kill():
            if not all(slot.streams for slot in backends[0].slots):
                all_seated(backends[0])
                return False
            cluster.remove_node(second_node.pop(), allow_graceful=False)
            return True

        summary = collect(some(small, "killed", sessions=25), Meddler(5, kill), make)
    assert not second_node
    assert summary.lost == 1
    assert "its node" in caplog.text
    assert files_of(summary.path) == one


def test_a_game_that_crashes_is_played_again(small, tmp_path, inline, files_of, cluster):
    whole = collect(some(small, "whole", 1), QUIET, inline)
    (tmp_path / "times").write_text("1")
    fault = {"what": "crash", "level": 1, "file": str(tmp_path / "times")}
    with on(cluster, 1) as (make, _):
        summary = collect(some(small, "crashed", 1, options={"faults": [fault]}), QUIET, make)
    assert summary.lost == 1
    assert episodes_of(files_of, summary.path) == episodes_of(files_of, whole.path)


@pytest.mark.slow
def test_a_game_that_dies_and_dies_is_given_up_and_the_others_go_on(small, tmp_path, inline, files_of, cluster):
    whole = collect(some(small, "whole", 1, games=("Fake", "Cursed")), QUIET, inline)
    (tmp_path / "times").write_text("1")
    once = {"what": "crash", "level": 1, "file": str(tmp_path / "times")}
    always = {"what": "crash", "level": 2, "game": "Cursed"}
    with (
        on(cluster, 1) as (make, _),
        pytest.raises(GamesFailed, match=r"Cursed: .*died 3 times") as error,
    ):
        collect(some(small, "cursed", 1, games=("Fake", "Cursed"), options={"faults": [once, always]}), QUIET, make)
    summary = error.value.summary
    assert summary.lost == 1 + MAX_DEATHS
    stored, wanted = episodes_of(files_of, summary.path), episodes_of(files_of, whole.path)
    assert {name for name in wanted if "Fake" in name} <= stored.keys()
    assert all(wanted[name] == content for name, content in stored.items())


@pytest.mark.slow
def test_a_game_that_hangs_is_killed_and_played_again(small, tmp_path, inline, files_of, cluster):
    whole = collect(some(small, "whole", 1), QUIET, inline)
    (tmp_path / "times").write_text("1")
    fault = {"what": "hang", "level": 1, "file": str(tmp_path / "times")}
    with on(cluster, 1, step_seconds=3.0) as (make, _):
        summary = collect(some(small, "hung", 1, options={"faults": [fault]}), QUIET, make)
    assert summary.lost == 1
    assert episodes_of(files_of, summary.path) == episodes_of(files_of, whole.path)


def test_an_interrupted_collection_leaves_no_actors_and_continues(small, inline, files_of, cluster):
    one = files_of(collect(some(small, "one"), QUIET, inline).path)

    def interrupt():
        raise KeyboardInterrupt

    cfg = some(small, "stopped")
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), on(cluster, 1) as (make, _):
        collect(cfg, Meddler(5, interrupt), make)
    assert signal.getsignal(signal.SIGTERM) is handler
    path = Path(cfg.root) / cfg.connector.dataset_name
    assert 5 <= len(Dataset.open(path)) < len(one) - 2
    wait_until(lambda: not seats(cluster.head_node))
    assert not seats(cluster.head_node)
    collect(cfg, QUIET, inline)
    assert files_of(path) == one


SCRIPT = """
import sys
from genieredux.collect import *
from genieredux.collect.backends.local import TRADE
from genieredux.collect.backends.choice import BackendConfig, chosen
amounts = GeneratorConfig(n_instances=1, n_sessions=100, n_steps_max=100)
connector = ConnectorConfig(name="fake", kind="fake", games=("Fake",), generator_config=amounts)
with chosen(BackendConfig("ray", sys.argv[2]), 1) as make_backend:
    collect(CollectConfig(connector, root=sys.argv[1]), SilentReporter(), make_backend)
"""


@contextmanager
def program(*words):
    """Another Python with the package, where a string of code is run."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", *map(str, words)], env=environment, **pipes) as process:
        yield process


def test_a_killed_program_leaves_no_actors_and_loses_nothing(small, tmp_path, inline, files_of, cluster):
    cfg = small(splits=(SplitConfig(),), generator_config=GeneratorConfig(1, 100, 100))
    one = files_of(collect(replace(cfg, root=str(tmp_path / "one")), QUIET, inline).path)
    episodes = Path(cfg.root) / "fake_v0.0.0" / "episodes"
    with program(SCRIPT, cfg.root, cluster.address) as process:
        wait_until(lambda: list(episodes.glob("*.parquet")), 120)
        assert seats(cluster.head_node)
        process.kill()
    wait_until(lambda: not seats(cluster.head_node))
    assert not seats(cluster.head_node)
    assert 1 <= len(list(episodes.glob("*.parquet"))) < 100
    with on(cluster, 1) as (make, _):
        assert files_of(collect(cfg, QUIET, make).path) == one


COMMAND = "from genieredux.cli.main import main; main()"
WORDS = (
    *("generate", "config.connector.kind=fake", "config.connector.games=[Fake]", "config.connector.name=fake"),
    *("config.connector.generator_config.n_instances=1", "config.connector.generator_config.n_sessions=60"),
    *("config.connector.generator_config.n_steps_max=100", "config.connector.generator_config.n_workers=1"),
    "config.connector.splits=[{name: train}]",
    "collect.backend=ray",
)


@pytest.mark.slow
def test_an_interrupted_command_leaves_no_actors_and_goes_on(tmp_path, files_of, cluster):
    words = [*WORDS, f"collect.ray_address={cluster.address}", f"root={tmp_path / 'ray'}"]
    with program(COMMAND, *words) as process:
        wait_until(lambda: list(tmp_path.glob("ray/*/episodes/*.parquet")), 120)
        assert seats(cluster.head_node)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not seats(cluster.head_node)
    assert 1 <= len(list(tmp_path.glob("ray/*/episodes/*.parquet"))) < 60
    assert run(words) == 0
    assert run([*WORDS[:-1], f"root={tmp_path / 'local'}"]) == 0
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")


@pytest.mark.slow
def test_a_cluster_for_one_command_leaves_nothing_behind(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("HOME", str(tmp_path))
    before = set(Path("/tmp").glob("gr-*"))
    with program(COMMAND, *WORDS, "collect.ray_address=local", f"root={tmp_path / 'data'}") as process:
        out, said = process.communicate()
    assert process.returncode == 0, said
    assert "raylet" not in out + said
    assert not (tmp_path / ".ray").exists()
    new = set(Path("/tmp").glob("gr-*")) - before
    assert not [folder for folder in new if not processes_with(str(folder))]


def test_nodes_of_other_versions_do_not_play(small, cluster, monkeypatch):
    ours = ray_actors.installed(TRADE.packages)
    monkeypatch.setattr(ray_actors, "installed", lambda _: {**ours, "pyarrow": "1.2.3"})
    with on(cluster, 1) as (make, _), pytest.raises(UserError, match=r"no node.*pyarrow.*1\.2\.3.*same versions"):
        collect(some(small, "other"), QUIET, make)


def test_a_cluster_without_a_free_cpu_is_said_so(small, cluster):
    with on(cluster, 1) as (make, _):
        holder = library().remote(num_cpus=1)(ray_seat.seat_class()).remote()
        library().get(holder.sit.remote([], vars(TRADE), "", ""))
        with on(cluster, 1, start_seconds=1.0) as (make, _), pytest.raises(UserError, match=r"no worker in . s \(0 of"):
            collect(some(small, "busy"), QUIET, make)


@pytest.mark.slow
def test_a_node_without_the_rom_gets_it(small, tmp_path, inline, files_of, cluster, monkeypatch):
    pytest.importorskip("ale_py")
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "here"))
    import ale_py.roms

    import_roms([ale_py.roms.get_rom_path("hero")])
    amounts = GeneratorConfig(n_sessions=12, n_steps_max=20, n_workers=1)
    values = {"kind": "retro", "games": ("Hero-Atari2600",), "generator_config": amounts, "splits": (SplitConfig(),)}
    one = files_of(collect(small("one", **values), QUIET, inline).path)
    node = cluster.add_node(**NODE, env_vars={"GENIEREDUX_CACHE": str(tmp_path / "there")})
    with on(cluster, 2) as (make, _):
        summary = collect(small("two", **values), QUIET, make)
    cluster.remove_node(node, allow_graceful=False)
    assert files_of(summary.path) == one
    assert [path.parent.name for path in (tmp_path / "there").rglob("rom.*")] == ["Hero-Atari2600-v0"]


def test_a_rom_is_packed_and_brought_once(tmp_path, monkeypatch):
    pytest.importorskip("ale_py")
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "here"))
    import ale_py.roms

    import_roms([ale_py.roms.get_rom_path("hero")])
    env = EnvConfig("retro", "Hero-Atari2600")
    rom = roms.pack(env, put=bytes)
    assert rom is not None
    fetched = []

    def fetch(content):
        fetched.append(content)
        return content

    roms.bring(env, rom, fetch)  # is here
    assert not fetched
    here = rom_path("Hero-Atari2600").read_bytes()
    monkeypatch.setenv("GENIEREDUX_CACHE", str(tmp_path / "there"))
    roms.bring(env, rom, fetch)
    roms.bring(env, rom, fetch)
    assert len(fetched) == 1
    assert rom_path("Hero-Atari2600").is_relative_to(tmp_path / "there")
    assert rom_path("Hero-Atari2600").read_bytes() == here
    assert roms.pack(EnvConfig("fake", "Fake"), bytes) is None
    assert roms.pack(EnvConfig("retro", "Hero-Atari2600", options={"rom_folder": "x"}), bytes) is None


def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["generate", "config.connector.kind=fake", "config.connector.games=[Fake]", f"root={tmp_path / 'data'}"]
    assert run([*words, "collect.backend=ray"]) == 2
    message = capsys.readouterr().err.strip()
    assert 'pip install "genieredux[ray]"' in message
    assert "\n" not in message
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("address", "said"), [("127.0.0.1:1", "nobody answers"), ("ray://head:10001", "HOST:PORT")])
def test_a_cluster_that_is_not_there_is_said_in_one_line(address, said):
    pytest.importorskip("ray")
    with pytest.raises(UserError, match=said), chosen(BackendConfig("ray", address), None):
        raise AssertionError("it is connected")
