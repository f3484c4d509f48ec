"""Actors on a Ray cluster: one of this machine alone, started here."""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

from genieredux.agent57.learner import AgentLearner
from genieredux.agent57.run import train
from genieredux.envs.factory import describe
from genieredux.errors import UserError
from genieredux.models.checkpoint import load_model
from genieredux.runs.backends.ray_cluster import library

AFAR = {"backend": "ray", "ray_address": "local"}


@pytest.fixture(scope="module")
def cluster():
    """One with two CPUs, to which jobs of this module find the program connected."""
    pytest.importorskip("ray")
    ray, folder, handler = library(), tempfile.mkdtemp(prefix="gr-", dir="/tmp"), signal.getsignal(signal.SIGTERM)
    options = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    quick = {"worker_niceness": 0}
    ray.init("local", log_to_driver=False, logging_level="ERROR", _temp_dir=folder, _system_config=quick, **options)
    yield ray
    ray.shutdown()
    signal.signal(signal.SIGTERM, handler)
    shutil.rmtree(folder, ignore_errors=True)


def weights(result):
    return load_model(result.model_path).state_dict


def make_learner(cfg):
    return AgentLearner(cfg, describe(cfg.env.env()), torch.device("cpu"))


def wait_until(is_so, seconds=120):
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_so()


def test_a_cluster_that_is_not_there_is_said_in_a_line(make_config):
    pytest.importorskip("ray")
    cfg = make_config(actors={"processes": 1, "backend": "ray", "ray_address": "127.0.0.1:1"})
    with pytest.raises(UserError, match=r"actors\.ray_address=127\.0\.0\.1:1: nobody answers there"):
        train(cfg)
    assert not cfg.folder.exists()


def test_a_cluster_changes_no_number_and_a_run_goes_on_from_it(make_config, cluster):
    here = weights(train(make_config(run_name="here", train={"num_train_steps": 6})))
    for updates in (3, 6):
        afar = train(make_config(run_name="afar", actors={"processes": 1, **AFAR}, train={"num_train_steps": updates}))
    assert all(torch.equal(weights(afar)[name], values) for name, values in here.items())


def test_an_actor_that_is_killed_there_is_replaced(make_config, cluster, caplog):
    learner = make_learner(make_config(actors={"processes": 2, "pull": 100, **AFAR}))
    try:
        learner.step(1, 0.0)
        victim = learner.crew.pids()[1]
        assert victim != os.getpid()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{victim}").exists())
        learner.step(2, 0.0)
        wait_until(lambda: learner.crew._seats[1].settle(0.0))
        for k in range(3, 6):
            learner.step(k, 0.0)
        assert victim not in learner.crew.pids()
        assert "actor 1 died (the actor on node" in caplog.text
        states = learner.state()["crew"]
        assert [state["lanes"][0]["seed"][2] for state in states] == [0, 1]  # with episodes of its own
        assert all((states[0]["weights"][name] == values).all() for name, values in states[1]["weights"].items())
    finally:
        learner.close()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in learner.crew.pids()))


@pytest.mark.slow
def test_those_that_have_a_place_play_on(make_config, cluster, monkeypatch, caplog):
    monkeypatch.setattr("genieredux.agent57.crew.START_SECONDS", 0.5)
    learner = make_learner(make_config(actors={"processes": 3, **AFAR}))
    seats = learner.crew._seats
    try:
        wait_until(lambda: sum(seat.settle(0.0) for seat in seats) == 2)
        learner.step(1, 0.0)
        assert "2 of 3 actors play: the Ray cluster had no place for an actor in 0 s (0 of its CPUs" in caplog.text
        assert learner.env_steps > 0
        assert sum(state is None for state in learner.state()["crew"]) == 1
        waiting = next(seat for seat in seats if not seat.settle(0.0))
        next(seat for seat in seats if seat is not waiting).close()  # its CPU is free now
        wait_until(lambda: waiting.settle(0.0))
    finally:
        learner.close()


@pytest.mark.slow
def test_where_nobody_has_a_place_one_line_says_so(make_config, cluster, monkeypatch):
    monkeypatch.setattr("genieredux.agent57.crew.START_SECONDS", 1.0)
    holder = cluster.remote(num_cpus=2)(type("Holder", (), {"sit": lambda self: 1})).remote()
    cluster.get(holder.sit.remote())
    cfg = make_config(actors={"processes": 1, **AFAR})
    with pytest.raises(UserError, match=r"no place for an actor in 1 s \(0 of its CPUs are free\); the same command"):
        train(cfg)
    cluster.kill(holder)


@pytest.mark.slow
def test_a_node_of_other_versions_does_not_play(make_config, cluster, monkeypatch):
    monkeypatch.setattr("genieredux.agent57.afar.installed", lambda packages: {"torch": "0.1"})
    with pytest.raises(UserError, match=r"node .* cannot play: it has torch .*, and this machine 0\.1.* same versions"):
        train(make_config(actors={"processes": 1, **AFAR}))


def test_what_is_missing_is_said_in_a_line(make_config, monkeypatch):
    with pytest.raises(UserError, match=r"actors\.processes \(for actors\.backend=ray\) is 0; it must be 1 or more"):
        make_config(actors=AFAR)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        UserError, match=r'actors\.backend=ray needs the package ray .* pip install "genieredux\[ray\]"'
    ):
        train(make_config(actors={"processes": 1, **AFAR}))
