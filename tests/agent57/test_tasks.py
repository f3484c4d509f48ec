"""The tasks have the optimum that they say."""

import numpy as np
import pytest

from genieredux.agent57.tasks import DeepSea, RandomCoin


@pytest.mark.parametrize("seed", range(5))
def test_the_shortest_way_takes_the_coin(seed):
    env = RandomCoin(5)
    frame, info = env.reset(seed=seed)
    assert frame.shape == (14, 14, 3)
    steps, over, total = 0, False, 0.0
    while not over:
        down, right = env._coin - env._agent
        action = (1 if down > 0 else 0) if down else (3 if right > 0 else 2)
        _, reward, over, cut, _ = env.step(action)
        steps, total = steps + 1, total + reward
        assert not cut
    assert (steps, total) == (info["shortest"], 1.0)


def test_a_room_is_left_after_so_many_steps():
    env = RandomCoin(4, steps=3)
    env.reset(seed=1)
    env._agent, env._coin = np.array([0, 0]), np.array([3, 3])
    ends = [env.step(0)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


@pytest.mark.parametrize("size", [3, 10])
def test_only_right_all_the_way_reaches_the_treasure(size):
    env = DeepSea(size)
    env.reset()
    total, over = 0.0, False
    for row in range(size):
        assert not over
        _, reward, over, _, _ = env.step(env._right[row, row])
        total += reward
    assert over
    assert total == pytest.approx(0.99)
    env.reset()
    left = [env.step(1 - env._right[row, 0])[1] for row in range(size)]
    assert sum(left) == 0
    env.reset()
    total = 0.0
    for row in range(size):  # one step wrong, and it is out of reach
        right = env._right[env._row, env._column]
        total += env.step(right if row != size - 2 else 1 - right)[1]
    assert total < 0


def test_the_sea_is_that_of_bsuite():
    ten = [0, 1, 0, 1, 0, 1, 0, 0, 1, 0]  # np.random.RandomState(42).binomial(1, .5, [10, 10]), its diagonal
    assert np.diag(DeepSea(10)._right).tolist() == ten
    assert not np.array_equal(DeepSea(10)._right, DeepSea(10, mapping=43)._right)


@pytest.mark.parametrize("size", [8, 10, 12, 14])
def test_who_prefers_one_action_gets_nowhere_in_the_sea(size):
    env = DeepSea(size)
    ones = int(np.diag(env._right).sum())
    assert size // 3 <= ones <= size - size // 3
    for action in (0, 1):
        env.reset()
        assert sum(env.step(action)[1] for _ in range(size)) < 0


def test_a_frame_of_the_sea_tells_the_cell():
    env = DeepSea(4, pixels=1)
    shown = set()
    for k in range(16):  # every way down
        frame, _ = env.reset()
        for row in range(4):
            assert np.argwhere(frame[..., 0]).tolist() == [[env._row, env._column]]
            shown.add(frame.tobytes())
            frame = env.step(k >> row & 1)[0]
        assert not frame.any()
    assert len(shown) == 10  # 1 + 2 + 3 + 4 cells
