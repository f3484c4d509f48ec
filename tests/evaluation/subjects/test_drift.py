import numpy as np
import pytest
import torch

from genieredux.evaluation import Clips, EvalConfig
from genieredux.evaluation.bootstrap import EpisodeBootstrap
from genieredux.evaluation.clips import Origin
from genieredux.evaluation.measuring.evaluate import evaluate
from genieredux.evaluation.subjects.long import how_long, longest_above, random_frames
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.protocol import Rollout

CONFIG = EvalConfig(drift_frames=40, batch_size=4, resamples=200)


class Forgetful(FakeWorld):
    """True for `memory` frames, then noise."""

    memory = 20

    def rollout(self, prompt, actions, seed=0, sampling=None):
        dreamed = super().rollout(prompt, actions, seed, sampling)
        lost = torch.randint(64, dreamed.tokens[:, self.memory :].shape, generator=torch.Generator().manual_seed(0))
        tokens = torch.cat([dreamed.tokens[:, : self.memory], lost], 1)
        return Rollout(self.decode(tokens), tokens, dreamed.entropy)


def drift(world, clips, config=CONFIG):
    return evaluate(world, {"a": clips}, config, long={"a": clips}).sets["a"].drift


def test_where_a_dream_collapses_is_found(make_clips):
    clips = make_clips(episodes=8, per_episode=1, length=42)
    perfect, lost = drift(FakeWorld(), clips).plain, drift(Forgetful(), clips).plain
    assert perfect["better"] == {"repeat_last": {"from": 1, "until": 40}, "random_frame": {"from": 1, "until": 40}}
    assert lost["better"]["random_frame"]["from"] == 1
    # A mean over ten frames stays ahead while some of them are still true.
    assert 20 <= lost["better"]["random_frame"]["until"] <= 30
    assert len(lost["psnr"]["model"]["mean"]) == 40
    gap = np.subtract(lost["psnr"]["tokenizer_only"]["mean"], lost["psnr"]["model"]["mean"])
    assert (np.abs(gap[:20]) < 0.1).all()
    assert (gap[20:] > 3).all()


def test_memory_does_not_change_the_numbers(make_clips):
    clips = make_clips(episodes=5, per_episode=1, length=42)
    few = drift(FakeWorld(noise=0.1), clips, EvalConfig(drift_frames=40, batch_size=1, resamples=50))
    many = drift(FakeWorld(noise=0.1), clips, EvalConfig(drift_frames=40, batch_size=64, resamples=50))
    assert few.plain == many.plain
    assert few.model.shape == few.truth.shape == (2, 42, 64, 64, 3)
    assert (few.model[:, :2] == few.truth[:, :2]).all()


def test_random_frames_are_of_the_game_and_of_another_episode():
    frames = np.zeros((6, 12, 16, 16, 3), np.uint8)
    frames[..., 0] = np.arange(6)[:, None, None, None]
    episodes = np.array([0, 0, 1, 2, 3, 3])
    games = ["mario", "mario", "mario", "sonic", "sonic", "sonic"]
    origins = tuple(Origin(str(episode), 0, game) for episode, game in zip(episodes, games, strict=True))
    clips = Clips(frames, np.zeros((6, 11), np.int64), episodes, origins)
    chosen = random_frames(clips, EvalConfig(drift_frames=30))(range(6))[..., 0, 0, 0]
    for row, allowed in enumerate(({2}, {2}, {0, 1}, {4, 5}, {3}, {3})):
        assert set(chosen[row].tolist()) == allowed
    again = random_frames(clips, EvalConfig(drift_frames=30))(range(2, 4))[..., 0, 0, 0]
    assert (again == chosen[2:4]).all()


@pytest.mark.parametrize(
    ("low", "run"),
    [([1, 1], (0, 1)), ([0, -1], None), ([-1, 2, 2, 0, 1], (1, 2)), ([1, -1, 1], (0, 0)), ([float("nan"), 1], (1, 1))],
)
def test_the_longest_stretch(low, run):
    assert longest_above(low) == run


@pytest.mark.parametrize(("later", "since"), [(0.2, 21), (0.3, None)])
def test_half_as_sharp_is_a_quarter_of_the_gradient_energy(later, since):
    sharp = np.ones((4, 40))
    sharp[:, 20:] = later
    values = {"sharpness": {"model": sharp, "truth": np.ones((4, 40))}, "gain": {"repeat_last": np.ones((4, 40))}}
    found = how_long(values, EpisodeBootstrap(np.arange(4), 50, 0.95, 0))
    assert found == {
        "better": {"repeat_last": {"from": 1, "until": 40}},
        "half_sharp_from": since,
        "smoothed": 10,
    }
