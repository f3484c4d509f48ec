"""Worker processes: a death, a hang, a failed start, and what is left behind."""

import os
import signal
import time

import numpy as np
import pytest

from genieredux.envs import EnvConfig, Start, make, pool
from genieredux.errors import UserError

STARTS = [Start(0, 1), Start(0, 2)]


@pytest.fixture
def fragile():
    env = make(EnvConfig("gymnasium", "toy_games:Fragile", num_workers=2), 2, seed=0)
    for i, start in enumerate(STARTS):
        env.assign(i, start)
    yield env
    env.close()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_that_dies_is_replaced_and_its_episode_begins_anew(fragile):
    first, at_first = fragile.reset()
    fragile.assign(1, Start(0, 99))
    fragile.step(np.array([0, 0]))
    before = fragile.pids
    frames, rewards, terminated, truncated, info = fragile.step(np.array([0, 1]))  # 1 = die
    assert info["broken"].tolist() == [False, True]
    assert truncated.tolist() == [False, True]
    assert not terminated.any()
    assert rewards[1] == 0
    assert "final_obs" not in info
    np.testing.assert_array_equal(frames[1], first[1])  # the same episode again, not the next
    assert fragile.starts == tuple(STARTS)
    assert fragile.pids[0] == before[0]
    assert fragile.pids[1] != before[1]
    frames, _, _, _, info = fragile.step(np.array([0, 0]))
    assert not info["broken"].any()
    assert (info["value"] - at_first["value"]).tolist() == [3, 1]


@pytest.mark.parametrize("moment", ["between steps", "before reset"])
def test_kill_9_from_outside_is_survived(fragile, moment):
    if moment == "before reset":
        os.kill(fragile.pids[0], signal.SIGKILL)
        frames, info = fragile.reset()
    else:
        fragile.reset()
        os.kill(fragile.pids[0], signal.SIGKILL)
        _, _, _, _, info = fragile.step(np.zeros(2, np.int64))
        assert info["broken"].tolist() == [True, False]
    frames, _, _, _, info = fragile.step(np.zeros(2, np.int64))
    assert not info["broken"].any()
    assert frames.any()


def test_a_worker_that_hangs_counts_as_dead(fragile, monkeypatch):
    monkeypatch.setattr(pool, "STEP_SECONDS", 0.5)
    fragile.reset()
    hung = fragile.pids[0]
    _, _, _, truncated, info = fragile.step(np.array([2, 0]))  # 2 = hang
    assert info["broken"].tolist() == truncated.tolist() == [True, False]
    assert not is_running(hung)


def test_workers_end_with_the_environment():
    env = make(EnvConfig("fake", "Fake", num_workers=2), 2, seed=0)
    env.reset()
    pids = env.pids
    env.close()
    deadline = time.monotonic() + 60
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))


def test_an_error_in_a_worker_that_a_user_can_mend_arrives_as_such():
    with pytest.raises(UserError, match="there is no 'NoSuchGame'"):
        make(EnvConfig("gymnasium", "toy_games:NoSuchGame", num_workers=2), 2, seed=0)


@pytest.mark.parametrize("action", [1.5, -1, 9, float("nan"), "RIGHT"])
def test_what_is_no_action_is_refused_and_the_games_go_on(action):
    env, untouched = (make(EnvConfig("fake", "Fake"), 2, seed=0) for _ in range(2))
    for one in (env, untouched):
        one.reset(seed=3)
    with pytest.raises(UserError, match="actions"):
        env.step(np.array([0, action]))
    with pytest.raises(UserError, match="one for each environment"):
        env.step(np.array([0]))
    after, expected = (one.step(np.array([0, 1])) for one in (env, untouched))
    assert np.array_equal(after[0], expected[0])
    env.close()
    untouched.close()
