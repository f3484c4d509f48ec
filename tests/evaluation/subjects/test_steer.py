from types import SimpleNamespace

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation import EvalConfig
from genieredux.evaluation.metrics.motion import scroll
from genieredux.evaluation.rows import HELD, MODEL
from genieredux.evaluation.steering import steer, summary
from genieredux.evaluation.subjects.steered import SteeredDream, action_index
from genieredux.evaluation.subjects.world import WorldSubject
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
    config = EvalConfig(keep_clips=2, horizon=4)
    found = steer(WorldSubject(world, config), clips, config, action)
    kept = found.keeper.even()
    assert kept.held.shape == (2, 6, 128, 128, 3)
    assert (kept.held[:, :2] == kept.truth[:, :2]).all()
    mean = summary(found, len(clips), config)["mean"]
    assert np.sign(np.round(mean["scroll"])).tolist() == [right, down]
    assert mean["change"] > 1


def test_a_world_that_ignores_its_player_does_nothing(make_clips):
    config = EvalConfig(keep_clips=1)
    clips = make_clips(texture=0)
    (did,) = summary(steer(WorldSubject(FakeWorld(obeys=False), config), clips, config, 0), len(clips), config)["clips"]
    assert did["change"] == 0
    assert did["psnr_to_true_actions"] == 60


def test_standing_still_is_no_scroll():
    still = np.repeat(FakeWorld().play(np.zeros(0, int), 3), 5, 0)
    assert np.allclose(scroll(still.astype(np.float32).mean(-1)), 0, atol=1e-3)


def test_the_action_is_held_from_the_last_frame_of_the_prompt_on():
    asked = []

    def roll(prompt, actions, seeds):
        asked.append(actions)
        return SimpleNamespace(frames=torch.zeros(2, 3, 3, 4, 4))

    taken = torch.tensor([[0, 1, 2, 3, 0], [3, 2, 1, 0, 1]])
    batch = SimpleNamespace(taken=taken, prompt_frames=3, prompt=None, indices=[0, 1], truth=None)
    drawn = SteeredDream(SimpleNamespace(roll=roll), 4).draw(batch, seed=0)
    held = [[0, 1, 4, 4, 4], [3, 2, 4, 4, 4]]
    assert drawn.actions[HELD].tolist() == held
    assert [actions.tolist() for actions in asked] == [held, taken.tolist()]
    assert MODEL not in drawn.actions
