import numpy as np
import pytest

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig
from genieredux.evaluation.measure import Bench
from genieredux.evaluation.probes import Probes
from genieredux.evaluation.steer import action_index, steer, summary, what_it_did
from genieredux.models.world.fake import FakeWorld

NAMES = FakeWorld().action_names


@pytest.mark.parametrize(("given", "index"), [(0, 0), ("4", 4), ("RIGHT_UP", 4), ("left", 1)])
def test_an_action_is_found_by_index_and_name(given, index):
    assert action_index(given, NAMES) == index


@pytest.mark.parametrize(("given", "nearest"), [(9, "4"), (-3, "0"), ("RIGTH", "RIGHT"), ("jump_right_up", "RIGHT_UP")])
def test_the_nearest_action_is_named(given, nearest):
    with pytest.raises(UserError, match=rf"nearest is {nearest} "):
        action_index(given, NAMES)


@pytest.mark.parametrize(("action", "right", "down"), [(0, -1, 0), (1, 1, 0), (2, 0, -1), (3, 0, 1)])
def test_it_is_seen_which_way_the_picture_scrolls(make_clips, action, right, down):
    """The tiles of the fake world move by 8 pixels a step: RIGHT shows what lies to the right."""
    world = FakeWorld(image_size=128)
    clips = make_clips(episodes=2, per_episode=1)
    frames = np.stack([world.play(np.zeros(11, int), seed) for seed in (1, 2)])
    clips = type(clips)(frames, clips.actions, clips.episodes)
    found = steer(Bench(world, Probes()), clips, EvalConfig(keep_clips=2, horizon=4), action, None)
    assert found.held.shape == (2, 6, 128, 128, 3)
    assert (found.held[:, :2] == found.truth[:, :2]).all()
    mean = summary({"a": found})["a"]["mean"]
    assert np.sign(np.round(mean["scroll"])).tolist() == [right, down]
    assert mean["change"] > 1


def test_a_world_that_ignores_its_player_does_nothing(make_clips):
    found = steer(Bench(FakeWorld(obeys=False), Probes()), make_clips(texture=0), EvalConfig(keep_clips=1), 0, None)
    assert found.did[0]["change"] == 0
    assert found.did[0]["psnr_to_true_actions"] == 60


def test_standing_still_is_no_scroll():
    still = np.repeat(FakeWorld().play(np.zeros(0, int), 3), 5, 0)
    assert np.allclose(what_it_did(still)["scroll"], 0, atol=1e-3)
