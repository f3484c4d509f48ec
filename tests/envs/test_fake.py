"""The fake game: a game worth learning from, and a well-behaved Gymnasium environment."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from genieredux.envs.actions import CANONICAL
from genieredux.envs.fake import FakeGame


def rollout(game, level, actions):
    frame, info = game.reset(seed=0, options={"level": level})
    frames, infos = [frame], [info]
    for action in actions:
        frame, _, terminated, _, info = game.step(action)
        frames.append(frame)
        infos.append(info)
        if terminated:
            break
    return np.array(frames), infos


def test_keeps_gymnasiums_rules():
    check_env(FakeGame(render_mode="rgb_array"))


def test_is_deterministic_and_levels_differ():
    actions = np.random.default_rng(0).integers(5, size=100)
    game = FakeGame()
    first, _ = rollout(game, 3, actions)
    rollout(game, 4, actions)
    again, _ = rollout(game, 3, actions)
    np.testing.assert_array_equal(first, again)
    assert (rollout(game, 4, [])[0][0] != first[0]).any()


@pytest.mark.parametrize("before", [[], ["RIGHT"], ["ACTION_JUMP"] * 5])
@pytest.mark.parametrize("level", range(5))
def test_every_action_is_visible_at_once(level, before):
    """From the same state, on the ground or in the air, five actions give five different next pictures."""
    game, history = FakeGame(), [CANONICAL.index(name) for name in before]
    pictures = [rollout(game, level, [*history, k])[0][-1].tobytes() for k in range(len(CANONICAL))]
    assert len(set(pictures)) == len(CANONICAL)


def test_running_right_scrolls_and_scores_and_can_end():
    ends, scores = 0, 0
    for level in range(20):
        actions = [CANONICAL.index("RIGHT" if t % 3 else "ACTION_JUMP") for t in range(400)]
        frames, infos = rollout(FakeGame(), level, actions)
        assert infos[min(30, len(infos) - 1)]["x"] > infos[0]["x"]
        scores += infos[-1]["score"]
        ends += len(frames) < 401
    assert ends > 0
    assert scores > 0
