"""How an episode is cut into sequences: nothing is lost, nothing shifts."""

import numpy as np
import pytest

from genieredux.agent57.lane import Lane
from genieredux.agent57.replay import Shape
from genieredux.envs import EnvConfig, Start
from genieredux.envs.procgen import ProcgenGame

TRACE, PERIOD = 6, 3


def lane(steps, game="genieredux.agent57.tasks:RandomCoin"):
    env = EnvConfig(
        kind="gymnasium", game=game, image_size=8, max_episode_steps=steps, options={"size": 6, "pixels": 4}
    )
    return Lane(env, Shape(TRACE, 8, 2, 1), PERIOD, (0, 1))


def episode(one, rewards=None):
    """Plays an episode whose k-th frame is marked with the intrinsic reward k: its sequences."""
    made, k = [], 0
    while True:
        one.remember(float(k), 0.1 * (k + 1), np.full((1, 2, 2), k, np.float32))
        made.append(one.full(member=2, born=k))
        ended, cut, shown = one.step(0)  # up, against the wall in the end
        k += 1
        if ended or cut:
            one.remember(float(k), 1.0, np.zeros((1, 2, 2), np.float32))
            made.append(one.last(ended, shown, 2, k))
            return [sequence for sequence in made if sequence is not None], k, ended


@pytest.mark.parametrize("steps", [1, 2, 5, 6, 7, 9, 10, 12, 20])
def test_every_step_is_in_a_sequence(steps):
    one = lane(steps)
    sequences, played, ended = episode(one)
    assert played == steps or ended
    covered = set()
    for sequence in sequences:
        n, first = int(sequence["length"]), int(sequence["intrinsic_rewards"][0])
        assert sequence["intrinsic_rewards"][: n + 1].tolist() == list(range(first, first + n + 1))
        assert sequence["behaviour"][:n] == pytest.approx([0.1 * (k + 1) for k in range(first, first + n)])
        assert (sequence["states"] == first).all()
        assert bool(sequence["begins"]) == (first == 0)
        assert first % PERIOD == 0
        covered |= set(range(first, first + n))
    assert covered == set(range(played))
    assert [bool(sequence["ended"]) for sequence in sequences] == [False] * (len(sequences) - 1) + [ended]


def test_the_action_before_a_frame_is_beside_it():
    one = lane(4)
    actions = [3, 1, 2, 0]
    for action in actions:
        one.remember(0.0, 1.0, np.zeros((1, 2, 2), np.float32))
        one.step(action)
    one.remember(0.0, 1.0, np.zeros((1, 2, 2), np.float32))
    sequence = one.last(False, True, 0, 0)
    assert sequence["previous_actions"][:5].tolist() == [0, *actions]
    assert (np.abs(np.diff(sequence["frames"][:5].astype(int), axis=0)).sum((1, 2, 3)) >= 0).all()


def test_what_a_cut_episode_would_have_shown_is_not_learned():
    one = lane(100)
    for _ in range(3):
        one.remember(0.0, 1.0, np.zeros((1, 2, 2), np.float32))
        one.step(0)
    one.remember(0.0, 1.0, np.zeros((1, 2, 2), np.float32))
    assert one.last(ended=False, shown=True, member=0, born=0)["length"] == 3
    assert one.last(ended=False, shown=False, member=0, born=0)["length"] == 2
    assert one.last(ended=True, shown=False, member=0, born=0)["length"] == 3


def test_going_on_plays_the_same_actions_again():
    one = lane(50)
    draws = []
    for k in range(20):
        one.remember(float(k), 0.5, np.zeros((1, 2, 2), np.float32))
        one.full(0, 0)
        draws.append(one.generator.random())
        one.step(int(draws[-1] * 4))
    other = lane(50)
    other.restore(one.state())
    assert other.taken == one.taken
    assert (other.frame == one.frame).all()
    assert (other.returned, other.first, len(other.rows)) == (one.returned, one.first, len(one.rows))
    assert other.generator.random() == one.generator.random()


def test_games_show_their_own_picture():
    game = ProcgenGame(EnvConfig(kind="procgen", game="coinrun", image_size=16))
    game.begin(Start(3, 0))
    assert game.native.shape == (64, 64, 3)
    game.close()
