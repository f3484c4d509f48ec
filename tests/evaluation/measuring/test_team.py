"""Several processes give the numbers of one, to the bit."""

import json
import os
import subprocess
import sys
from functools import partial

import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig, evaluate
from genieredux.evaluation.measuring.evaluate import world_bench
from genieredux.evaluation.measuring.team import together
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.models.world.fake import FakeWorld

CONFIG = EvalConfig(batch_size=3, resamples=50, sampling_seeds=2, drift_frames=20)


def open_bench(noise, rank):
    metrics = open_metrics((), Setting(CONFIG)).metrics.values()
    return world_bench(WorldSubject(FakeWorld(noise=noise), CONFIG), list(metrics))


def die(bench, task):
    os._exit(task)


def refuse(bench, task):
    raise UserError(f"task {task} cannot be done")


def square(bench, task):
    return task * task


def test_two_processes_give_the_numbers_of_one(make_clips):
    """Also that results come in order, for many more tasks than are begun ahead."""
    sets = {"a": make_clips(episodes=4, length=22), "b": make_clips(seed=3, episodes=2)}
    long = {"a": sets["a"]}
    world = FakeWorld(noise=0.3)
    threads = torch.get_num_threads()
    with together(partial(open_bench, 0.3), 2, threads=threads) as team:
        two = evaluate(world, sets, CONFIG, team=team, long=long)
        assert list(team.map(square, range(40))) == [n * n for n in range(40)]
        with pytest.raises(UserError, match="task 0 cannot be done"):
            list(team.map(refuse, range(3)))
    one = evaluate(world, sets, CONFIG, long=long)
    assert json.dumps(two.to_json()) == json.dumps(one.to_json())
    for name in sets:
        assert (two.sets[name].kept.model == one.sets[name].kept.model).all()
        assert two.sets[name].ends["worst"].index.tolist() == one.sets[name].ends["worst"].index.tolist()
    assert (two.sets["a"].drift.model == one.sets["a"].drift.model).all()


def test_a_process_that_dies_is_named():
    with together(partial(open_bench, 0.0), 1) as team, pytest.raises(UserError, match=r"died.*eval.num_processes"):
        list(team.map(die, [3]))


def test_processes_run_nothing_that_lies_in_the_working_folder(tmp_path):
    """They begin anew, and a fresh Python looks for its own modules where it is started, unless it is told not to."""
    (tmp_path / "work").mkdir()
    for name in ("random", "secrets", "queue", "struct"):
        (tmp_path / "work" / f"{name}.py").write_text("open('executed', 'w').close()\nraise SystemExit(1)")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "from genieredux.evaluation.measuring.team import together\n"
        "def bench(rank): return rank\n"
        "def square(bench, task): return task * task\n"
        "if __name__ == '__main__':\n"
        "    with together(bench, 1) as team:\n"
        "        print(list(team.map(square, [3])))\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path and path != os.getcwd())
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": paths}
    made = subprocess.run(command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, check=False)
    assert made.stdout == "[9]\n", made.stderr
    assert not (tmp_path / "work" / "executed").exists()
