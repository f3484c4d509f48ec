import torch
from hypothesis import given
from hypothesis import strategies as st

from genieredux.evaluation.clips.counterfactual import clip_seed, other_last_action, random_sequence


def test_seeds_belong_to_clips():
    seeds = [clip_seed(0, clip) for clip in range(500)]
    assert len(set(seeds)) == 500
    assert seeds == [clip_seed(0, clip) for clip in range(500)]
    assert not set(seeds) & {clip_seed(1, clip) for clip in range(500)}


@given(prompt=st.integers(1, 4), t=st.integers(1, 8), actions=st.integers(2, 7), seed=st.integers(0, 1000))
def test_last_action_is_the_only_one_that_changes_and_it_always_does(prompt, t, actions, seed):
    true = torch.randint(0, actions, (6, prompt - 1 + 8))
    replaced = other_last_action(true, prompt, t, actions, seed, range(10, 16))
    assert replaced.shape == (6, prompt - 1 + t)
    assert (replaced[:, :-1] == true[:, : prompt - 2 + t]).all()
    assert (replaced[:, -1] != true[:, prompt - 2 + t]).all()
    assert ((replaced >= 0) & (replaced < actions)).all()


def test_every_other_action_is_as_likely():
    true = torch.full((4000, 5), 2)
    replaced = other_last_action(true, 2, 4, 5, 0, range(4000))
    share = torch.bincount(replaced[:, -1], minlength=5) / 4000
    assert share[2] == 0
    assert ((share[[0, 1, 3, 4]] - 0.25).abs() < 0.03).all()


def test_random_sequence_keeps_the_prompt_and_draws_uniformly():
    true = torch.full((2000, 11), 3)
    replaced = random_sequence(true, 2, 5, 0, range(2000))
    assert (replaced[:, 0] == 3).all()
    share = torch.bincount(replaced[:, 1:].flatten(), minlength=5) / 20000
    assert ((share - 0.2).abs() < 0.02).all()
    assert (true == 3).all()


def test_a_clip_is_answered_alike_in_any_batch():
    true = torch.zeros(8, 11, dtype=torch.int64)
    whole = random_sequence(true, 2, 5, 0, range(8))
    part = random_sequence(true[3:5], 2, 5, 0, range(3, 5))
    assert (whole[3:5] == part).all()
