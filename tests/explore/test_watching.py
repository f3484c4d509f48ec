"""Frames, actions and rewards belong together: held against a world whose doubt is a known function of both."""

from itertools import islice

import numpy as np
import pytest
import torch

from explore.toys import CODES, GRID, Counter, KnownDream, KnownWorld, RememberingWorld, believed, known_reward
from genieredux.collect.player import rollouts
from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.explore.reward import Running, discounted_forward, entropy_reward, per_motion
from genieredux.explore.rewards import RewardConfig, Watcher, make_reward
from genieredux.explore.rollout import Rollout
from genieredux.explore.watching import ahead, follow
from genieredux.policies.scripted import RandomPolicy

GAME = EnvConfig("gymnasium", "explore.toys:Counter", image_size=16, max_episode_steps=40, options={"length": 11})


def played(steps: int = 30, envs: int = 3, cfg: EnvConfig = GAME) -> Rollout:
    return Rollout.of(islice(rollouts(cfg, RandomPolicy(2), envs, seed=3), steps))


def expected_of(rollout: Rollout, piece, back: int) -> dict[int, tuple[int, list[int]]]:
    """Step -> (the number shown `back` frames before what it led to, the actions since), from the record itself."""
    numbers = rollout.film(piece)[:, 0, 0, 0].tolist()
    actions = rollout.actions[piece.first : piece.last + 1, piece.env].tolist()
    return {k: (numbers[k - back], actions[k - back : k]) for k in range(back, piece.seen + 1)}


@pytest.mark.parametrize("lanes", [1, 2, 7, 64])
def test_the_papers_reward_is_of_the_actions_really_taken(lanes):
    rollout = played()
    reward = make_reward(RewardConfig("entropy"), Watcher(KnownWorld(), lanes=lanes))
    values = reward.rate(rollout)
    rated = 0
    for piece in rollout.pieces():
        of_step = values[piece.first : piece.last + 1, piece.env]
        assert np.isnan(of_step[:3]).all()  # the papers need two frames and three more
        # the last real frame is three before the one that is rated; two actions lead on, the third is asked of
        for k, (number, actions) in expected_of(rollout, piece, 3).items():
            if k < 4:
                continue
            for action in actions[:2]:
                number = believed(number, action)
            assert of_step[k - 1] == pytest.approx(known_reward(number, actions[2]), abs=1e-5)
            rated += 1
    assert rated > 40


@pytest.mark.parametrize("lanes", [1, 2, 5, 64])
def test_followed_steps_are_all_there_once_and_of_their_own_frame_and_action(lanes):
    rollout = played(steps=47)
    values = make_reward(RewardConfig("next_entropy"), Watcher(KnownWorld(), lanes=lanes)).rate(rollout)
    seen = sum(piece.seen for piece in rollout.pieces())
    assert np.isfinite(values).sum() == seen == 47 * 3
    for (t, n), value in np.ndenumerate(values):
        number, action = int(rollout.frames[t, n, 0, 0, 0]), int(rollout.actions[t, n])
        assert value == pytest.approx(known_reward(number, action), abs=1e-5)
    rows = sorted(pair for look in follow(KnownWorld(), rollout, lanes) for pair in zip(look.t, look.n, strict=True))
    assert rows == sorted({(t, n) for t in range(47) for n in range(3)})


@pytest.mark.parametrize("lanes", [1, 2, 5, 64])
def test_unseen_is_what_the_whole_episode_had_not_shown(lanes):
    walk = EnvConfig("gymnasium", "explore.toys:Corridor", image_size=16, max_episode_steps=20)
    rollout = played(steps=47, cfg=walk)
    values = make_reward(RewardConfig("unseen"), Watcher(RememberingWorld(), lanes=lanes)).rate(rollout)
    for piece in rollout.pieces():
        numbers = rollout.film(piece)[:, 0, 0, 0].tolist()
        new = [float(number not in numbers[: k + 1]) for k, number in enumerate(numbers[1:])]
        assert values[piece.first : piece.first + piece.seen, piece.env].tolist() == new
    assert 0.05 < np.nanmean(values) < 0.6


def test_unseen_needs_a_world_that_keeps_a_record():
    with pytest.raises(UserError, match=r"unseen needs a world that carries over .* take next_entropy"):
        make_reward(RewardConfig("unseen"), Watcher(KnownWorld())).rate(played())


def test_what_an_action_led_to_is_what_followed_also_at_an_ends():
    rollout = played()
    for look in follow(KnownWorld(), rollout):
        before, after = (frames[:, 0, 0, 0] * 255 for frames in (look.before, look.after))
        grown = (after - before).round().remainder(200)
        assert torch.equal(grown.to(torch.int64), 2 + look.actions)
    assert rollout.terminated.sum() >= 3
    assert len(rollout.ends) >= 3
    for t, n in np.argwhere(~rollout.ended[:-1]).tolist():
        assert np.array_equal(rollout.following(t, n), rollout.frames[t + 1, n])
    for t, n in np.argwhere(rollout.ended[:-1]).tolist():
        assert not np.array_equal(rollout.following(t, n), rollout.frames[t + 1, n])
    for look in ahead(KnownWorld(), rollout):
        assert torch.equal(
            ((look.after - look.before)[:, 0, 0, 0] * 255).round().remainder(200).long(), 2 + look.actions
        )


def test_one_call_serves_all_dreams_and_no_frame_is_told_twice():
    rollout = played(steps=33, envs=4)
    KnownDream.calls = 0
    list(follow(KnownWorld(), rollout, lanes=4))
    assert KnownDream.calls <= 33 + 11  # 132 steps in rows of 4, the last lanes alone for an episode at the most


def test_a_game_that_shows_no_last_frame_leaves_that_step_unrated():
    cfg = EnvConfig("procgen", "coinrun", image_size=16, max_episode_steps=12, num_levels=3, num_workers=1)
    rollout = Rollout.of(islice(rollouts(cfg, RandomPolicy(5), 2, seed=1), 20))
    hidden = [(t, n) for t, n in np.argwhere(rollout.ended) if rollout.following(t, n) is None]
    values = np.full(rollout.shape, np.nan, np.float32)
    for look in follow(FiveActions(), rollout):
        look.put(entropy_reward(look.step.logits), values)
    assert np.isfinite(values).sum() == 40 - len(hidden)
    assert all(np.isnan(values[t, n]) for t, n in hidden)


class FiveActions(KnownWorld):
    action_names = ("RIGHT", "LEFT", "DOWN", "UP", "RIGHT_UP")


def test_entropy_reward_is_two_where_nothing_is_known_and_of_the_top_quarter():
    logits = torch.zeros(5, *GRID, CODES)
    assert torch.allclose(entropy_reward(logits), torch.full((5,), 2.0))
    logits[..., 0] = 1e4
    assert torch.allclose(entropy_reward(logits), torch.zeros(5), atol=1e-5)
    logits[:, 0, 0] = 0.0  # one place of eight: half of the two that count
    assert torch.allclose(entropy_reward(logits), torch.ones(5), atol=1e-5)
    assert torch.allclose(entropy_reward(logits, top=1.0), torch.full((5,), 2 / 8), atol=1e-5)
    assert torch.allclose(entropy_reward(logits, top=0.01), torch.full((5,), 2.0))  # at least one place
    assert entropy_reward(torch.zeros(2, 3, 7, 5, 4)).shape == (2, 3)
    with pytest.raises(UserError, match=r"reward.top is 0; it must be above 0"):
        entropy_reward(logits, top=0)


def test_motion_divides_and_the_floor_holds():
    still = torch.zeros(2, 3, 4, 4)
    moved = still.clone()
    moved[1] = 0.19
    assert torch.allclose(per_motion(torch.ones(2), still, moved), torch.tensor([100.0, 5.0]))
    swung = still + 0.5
    swung[:, :, ::2] += 0.19
    swung[:, :, 1::2] -= 0.19  # lighter here, darker there: it moved all the same
    assert torch.allclose(per_motion(torch.ones(2), still + 0.5, swung), torch.tensor([5.0, 5.0]))


def test_the_scale_is_the_spread_of_discounted_sums_cut_at_ends():
    rewards = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    ended = torch.tensor([[False, True], [False, False], [False, False]])
    sums = discounted_forward(rewards, ended, 0.5)
    assert torch.equal(sums, torch.tensor([[1.0, 2.0], [1.5, 2.0], [1.75, 3.0]]))
    running, numbers = Running(), torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 3 + 2
    for part in numbers.split(7):
        running.add(part)
    assert running.deviation == pytest.approx(float(numbers.std(correction=0)), rel=1e-5)
    again = Running()
    again.restore(running.state())
    assert again.deviation == running.deviation


def test_pieces_are_what_was_played():
    rollout = played(steps=25)
    for piece in rollout.pieces():
        assert piece.last - piece.first + 1 == piece.seen == (11 if piece.ends else 3)
        assert piece.begins == bool(rollout.begun[piece.first, piece.env])
        assert len(rollout.film(piece)) == piece.seen + 1
    assert Counter.action_names == KnownWorld.action_names
