"""Several processes give the numbers of one, to the bit."""

import json
import os
from functools import partial

import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig, evaluate
from genieredux.evaluation.drift import measure_drift
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.probes import Probes
from genieredux.evaluation.team import Alone, Together
from genieredux.models.world.fake import FakeWorld


def open_bench(noise, rank):
    return Bench(FakeWorld(noise=noise), Probes())


def die(bench, task):
    os._exit(task)


def refuse(bench, task):
    raise UserError(f"task {task} cannot be done")


def square(bench, task):
    return task * task


def test_two_processes_give_the_numbers_of_one(make_clips):
    """Also that results come in order, for many more tasks than are begun ahead."""
    sets = {"a": make_clips(episodes=4, length=22), "b": make_clips(seed=3, episodes=2)}
    config = EvalConfig(batch_size=3, resamples=50, sampling_seeds=2, drift_frames=20)
    world = FakeWorld(noise=0.3)
    threads = torch.get_num_threads()
    with Together(partial(open_bench, 0.3), 2, threads=threads) as team:
        two = evaluate(world, sets, config, team=team)
        drift_of_two = measure_drift(sets["a"], config, None, team)
        assert list(team.map(square, range(40))) == [n * n for n in range(40)]
        with pytest.raises(UserError, match="task 0 cannot be done"):
            list(team.map(refuse, range(3)))
    one = evaluate(world, sets, config)
    assert json.dumps(two.to_json()) == json.dumps(one.to_json())
    for name in sets:
        assert (two.sets[name].kept.model == one.sets[name].kept.model).all()
        assert two.sets[name].ends["worst"].index.tolist() == one.sets[name].ends["worst"].index.tolist()
    drift_of_one = measure_drift(sets["a"], config, None, Alone(Bench(world, Probes())))
    assert drift_of_two.plain == drift_of_one.plain
    assert (drift_of_two.model == drift_of_one.model).all()


def test_a_process_that_dies_is_named():
    with Together(partial(open_bench, 0.0), 1) as team, pytest.raises(UserError, match=r"died.*eval.num_processes"):
        list(team.map(die, [3]))
