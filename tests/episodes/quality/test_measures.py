"""What notes are made of: measures of frames, the sample that is read, traces of actions."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from episodes.quality.walks import episode, walk
from genieredux.episodes import Dataset, quality
from genieredux.episodes.quality import Budget
from genieredux.episodes.quality import measures as m
from genieredux.episodes.quality.sample import STRETCH_FRAMES, draw
from genieredux.episodes.quality.traces import alike_groups, transition_features
from genieredux.episodes.schema import BLOCK_FRAMES


@given(st.lists(st.booleans(), max_size=30))
def test_longest_run_is_that_of_the_text(mask):
    runs = re.findall("1+", "".join("01"[value] for value in mask))
    assert m.longest_run(np.array(mask, bool)) == max(map(len, runs), default=0)


def test_digests_are_equal_where_frames_are():
    frames = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 3), dtype=np.uint8)
    frames[4] = frames[1]
    frames[5] = frames[1]
    frames[5, 7, 7, 2] ^= 1  # one bit
    digests = m.frame_digests(frames)
    assert digests[4] == digests[1]
    assert len(set(digests.tolist())) == 5


def test_changes_do_not_wrap_around():
    frames = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    true = np.abs(np.diff(frames.astype(int), axis=0))
    changes = m.absolute_changes(frames)
    assert changes.dtype == np.uint8
    assert np.array_equal(changes, true)
    assert np.allclose(m.mean_changes(changes), true.mean(axis=(1, 2, 3)))
    assert np.array_equal(m.moving_pixels(changes), true.any(axis=(0, 3)))


def test_one_frame_has_no_change():
    changes = m.absolute_changes(np.zeros((1, 8, 8, 3), np.uint8))
    assert m.mean_changes(changes).shape == (0,)
    assert not m.moving_pixels(changes).any()


def test_blank_frames_are_of_one_colour_with_some_noise():
    frames = np.zeros((6, 16, 16, 3), np.uint8)
    frames[1] = (200, 30, 90)
    frames[2] = 120
    frames[2, ::2] += m.BLANK_RANGE  # the noise of JPEG
    frames[3, 5, 6] = 255  # one bright pixel, beside those that are looked at first
    frames[4] = 20
    frames[5, :8] = 90
    blank, black = m.blank_frames(frames)
    assert blank.tolist() == [True, True, True, False, True, False]
    assert black.tolist() == [True, False, False, False, False, False]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=20), st.integers(BLOCK_FRAMES, 6000), st.integers(0, 3))
@settings(max_examples=60)
def test_a_sample_keeps_its_budget_and_begins_at_blocks(lengths, frames, seed):
    chosen = draw(lengths, Budget(frames, seed))
    assert chosen == draw(lengths, Budget(frames, seed))
    assert chosen
    assert sum(one.stop - one.start for one in chosen) <= frames
    for one in chosen:
        assert 0 <= one.start < one.stop <= lengths[one.episode]
        assert one.start % BLOCK_FRAMES == 0
        assert one.stop - one.start <= STRETCH_FRAMES
    for a, b in pairwise(chosen):
        assert a.episode < b.episode or (a.episode == b.episode and a.stop <= b.start)


def test_episodes_of_the_published_length_are_read_whole():
    chosen = draw([501] * 20, Budget(2048))
    assert [one.stop - one.start for one in chosen] == [501] * 4
    assert len(draw([100] * 5, Budget(2048))) == 5
    assert draw([501] * 20, Budget(2048, seed=1)) != chosen


def test_a_sample_reads_no_more_than_its_budget(written, monkeypatch):
    data = written([episode(*walk(300, k)) for k in range(6)])
    read = []
    clip = Dataset.clip
    monkeypatch.setattr(Dataset, "clip", lambda self, i, a, b: read.append(b - a) or clip(self, i, a, b))
    monkeypatch.setattr(Dataset, "episode", lambda *_: pytest.fail("a whole episode was read"))
    measured = quality.measure(data, Budget(640))
    assert sum(read) == measured.sampled_frames <= 640
    assert measured.frames == 1800


def test_actions_that_do_the_same_are_found():
    walks = [walk(400, seed) for seed in range(4)]
    features = np.concatenate([transition_features(frames) for frames, _ in walks])
    actions = np.concatenate([taken for _, taken in walks])
    groups = alike_groups(features, actions, 4, np.random.default_rng(0))
    assert groups == ((0, 3),)
    shuffled = np.random.default_rng(5).permutation(actions)
    assert alike_groups(features, shuffled, 4, np.random.default_rng(0)) == ((0, 1, 2, 3),)


def test_actions_that_are_rarely_taken_are_not_judged():
    frames, actions = walk(400, 0)
    assert alike_groups(transition_features(frames), actions, 4, np.random.default_rng(0)) == ()


@pytest.mark.parametrize("size", [(7, 7), (64, 64), (50, 70), (3, 5)])
def test_features_take_any_size_of_frame(size):
    frames = np.random.default_rng(0).integers(0, 255, (5, *size, 3), dtype=np.uint8)
    features = transition_features(frames)
    assert len(features) == 4
    assert np.isfinite(features).all()
    assert not transition_features(np.repeat(frames[:1], 3, 0)).any()
