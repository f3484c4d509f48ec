"""One action all along."""

import numpy as np

from genieredux.evaluation.subjects.control import control_grid
from genieredux.models.world.fake import FakeWorld


def test_control_grid_holds_each_action(make_clips):
    clips = make_clips()
    exact = FakeWorld()
    grid = control_grid(exact, clips, [2], steps=4)
    assert grid.frames.shape == (1, 5, 6, 64, 64, 3)
    assert (grid.frames[0, :, :2] == clips.frames[2, :2]).all()
    right, left = grid.frames[0, 0, 2:], grid.frames[0, 1, 2:]
    assert (np.roll(right[0], 16, axis=1) == left[0]).all()


def test_the_prompt_keeps_the_actions_that_were_taken_in_it(make_clips):
    class Watched(FakeWorld):
        def rollout(self, prompt, actions, *more):
            self.actions = actions
            return super().rollout(prompt, actions, *more)

    world, clips = Watched(), make_clips()
    control_grid(world, clips, [2], prompt_frames=4, steps=3)
    assert (world.actions[:, :3].numpy() == np.asarray(clips.actions[2, :3])).all()
    assert (world.actions[:, 3:].numpy() == np.arange(5)[:, None]).all()
