"""Real processes, really killed: at most the unfinished episode is lost, and two writers do each other no
harm.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import genieredux
from genieredux.episodes import Dataset, DatasetWriter, rebuild_index
from genieredux.episodes.fake import fake_episode, fake_spec

WRITE = """
import sys
from genieredux.episodes import DatasetWriter
from genieredux.episodes.fake import fake_episode, fake_spec
writer = DatasetWriter(sys.argv[1], fake_spec())
for seed in range(int(sys.argv[2]), int(sys.argv[3])):
    print(writer.append(fake_episode(50 + seed % 7, seed)), flush=True)
writer.finish()
"""

DIE_AT = """
import os, signal, sys
from genieredux.episodes import DatasetWriter
from genieredux.episodes.fake import fake_episode, fake_spec

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

writer = DatasetWriter(sys.argv[1], fake_spec())
writer.append(fake_episode(50, 0))
if sys.argv[2] == "index":
    writer.finish()
    writer.append(fake_episode(52, 2))
    os.replace = die
    writer.finish()
elif sys.argv[2] == "half":
    def half(descriptor):
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        die()
    os.fsync = half
else:
    setattr(os, sys.argv[2], die)
writer.append(fake_episode(51, 1))
"""


def start(code: str, *words: object) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(genieredux.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, words)], env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("episodes_first", [1, 7])
def test_kill_9_loses_at_most_the_unfinished_episode(tmp_path, episodes_first: int) -> None:
    child = start(WRITE, tmp_path, 0, 100_000)
    assert child.stdout is not None
    reported = [child.stdout.readline().strip() for _ in range(episodes_first)]
    time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    reported += [line.strip() for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.wait()
    dataset = Dataset.open(tmp_path, verify=True)
    assert set(reported) <= set(dataset.ids)
    assert len(dataset) <= len(reported) + 1  # one may have been finished and not yet reported
    for i in range(len(dataset)):
        episode = dataset.episode(i)
        assert episode.same_as(replace(fake_episode(50 + episode.seed % 7, episode.seed), id=episode.id))
    writer = DatasetWriter(tmp_path, fake_spec())
    assert list(tmp_path.rglob(".*.unfinished-*")) == []
    assert writer.finish().equals(rebuild_index(tmp_path))


@pytest.mark.parametrize("moment", ["fsync", "link", "half"])
def test_kill_9_at_the_worst_moment_of_a_write(tmp_path, moment: str) -> None:
    child = start(DIE_AT, tmp_path, moment)
    assert child.wait() == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".*.unfinished-*"))) == 1
    assert Dataset.open(tmp_path, verify=True).lengths.tolist() == [50]
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        assert list(tmp_path.rglob(".*.unfinished-*")) == []
        writer.append(fake_episode(51, 1))
    assert sorted(Dataset.open(tmp_path, verify=True).lengths.tolist()) == [50, 51]


def test_kill_9_while_the_index_is_replaced_keeps_the_old_one(tmp_path) -> None:
    child = start(DIE_AT, tmp_path, "index")
    assert child.wait() == -signal.SIGKILL
    assert Dataset.open(tmp_path, verify=True).lengths.tolist() == [50]
    with DatasetWriter(tmp_path, fake_spec()) as writer:
        assert writer.num_frames == 102
    assert Dataset.open(tmp_path, verify=True).lengths.tolist() == [50, 52]


def test_two_writers_at_once_do_each_other_no_harm(tmp_path) -> None:
    """Both play the same seeds without giving ids, so they fight for every single name."""
    children = [start(WRITE, tmp_path, 0, 12) for _ in range(2)]
    reported = [child.communicate()[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len(set(reported[0]) | set(reported[1])) == 24
    dataset = Dataset.open(tmp_path, verify=True)
    assert set(dataset.ids) == set(reported[0]) | set(reported[1])
    assert list(tmp_path.rglob(".*.unfinished-*")) == []
    assert rebuild_index(tmp_path).equals(dataset.index)


def test_one_of_two_writers_is_killed_and_the_other_does_not_notice(tmp_path) -> None:
    victim, survivor = start(WRITE, tmp_path, 0, 100_000), start(WRITE, tmp_path, 500, 520)
    assert victim.stdout is not None
    victim.stdout.readline()
    victim.send_signal(signal.SIGKILL)
    survived = survivor.communicate()[0].split()
    victim.communicate()
    assert survivor.returncode == 0
    assert set(survived) <= set(Dataset.open(tmp_path, verify=True).ids)
