"""The worlds that ship, as a person opens them."""

import numpy as np
import pytest
import torch

from genieredux.frames import to_float
from genieredux.models.world.contract import check_world
from genieredux.models.world.file import find_world, shipped_worlds
from genieredux.play import Wanted, scene_of

NAMES = [world.name for world in shipped_worlds()]


@pytest.mark.parametrize("name", NAMES)
def test_a_world_that_ships_is_small_and_holds_to_the_contract(name):
    path = find_world(name)
    assert path.stat().st_size < 10e6
    scene = scene_of(path, Wanted(game="none"))
    assert len(scene.prompts) == 12
    check_world(scene.world, torch.stack([to_float(prompt.frames[-3:]) for prompt in scene.prompts[:2]]))


def test_latent_actions_that_ship_steer():
    """Each code has a key and what was counted of it; the code that was mostly LEFT moves the picture right, and the
    one that was mostly RIGHT moves it left."""
    scene = scene_of(find_world("jumper"), Wanted(latent=True, game="none"))
    world = scene.world
    assert world.takes == "codes"
    assert len(scene.prompts) == 12
    assert len(scene.notes) == len(world.action_names) == len(scene.bindings.chords) == 8
    left, right = (next(k for k, note in enumerate(scene.notes) if note.startswith(way)) for way in ("LEFT", "RIGHT"))
    frames = torch.stack([to_float(prompt.frames) for prompt in scene.prompts])
    given = torch.from_numpy(np.stack([prompt.actions for prompt in scene.prompts]))
    went = []
    for code in (left, right):
        dream = world.dream(frames, given, list(range(12)))
        tokens = torch.stack([dream.step(torch.full((12,), code)).tokens[:, 0, 0] for _ in range(4)])
        went.append(world.inner.codes[tokens][..., 1].sum(0).mean())  # pixels to the right
    assert went[0] > went[1] + 1


def test_the_ship_of_airstriker_goes_where_the_key_says():
    """Three steps of RIGHT and of LEFT, from every beginning that shows the ship: 4 pixels a step but for the edges."""
    scene = scene_of(find_world("airstriker"), Wanted(game="none"))
    world = scene.world
    assert world.action_names == ("RIGHT", "LEFT", "NOOP", "B")
    assert scene.bindings.idle == 2  # without a key the game goes on
    frames = torch.stack([to_float(prompt.frames) for prompt in scene.prompts])
    given = torch.from_numpy(np.stack([prompt.actions for prompt in scene.prompts]))
    shown = _ship(frames[:, -1]).isfinite()
    assert shown.sum() >= 6
    places = []
    for action in (0, 1):
        dream = world.dream(frames, given, list(range(12)))
        made = [dream.step(torch.full((12,), action)) for _ in range(3)]
        places.append(_ship(made[-1].frames)[shown])
        assert made[-1].entropy.max() == 0
    assert (places[0] - places[1]).nanmedian() > 8


def _ship(frames):
    """Where the ship is, in pixels from the left (B,): the mean column of what is grey and bright in its rows; NaN
    where there is none."""
    rows = frames[:, :, 44:54]
    grey = (rows.amin(1) > 0.27) & (rows.amax(1) - rows.amin(1) < 0.24)
    columns = grey.sum(1).float()
    return (columns * torch.arange(64)).sum(1) / torch.where(columns.sum(1) > 3, columns.sum(1), torch.nan)
