"""Transitions as a world draws them: a few frames dreamt under the true actions, up to one whose outcome is known.

What the world draws looks other than the game, and heads judge what it draws. How many frames were dreamt before does
not depend on the outcome, so that it tells nothing of it. Knows a world by its contract.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.episodes import Dataset
from genieredux.frames import to_bytes, to_float
from genieredux.models.world.protocol import World
from genieredux.runs.progress import ProgressLine
from genieredux.training.heads.outcomes import Transitions

GIVEN = 4
"""True frames that a dream begins with."""
TOGETHER = 32
"""Dreams at once."""


@dataclass(frozen=True)
class Redrawn:
    """frames: uint8 (N, 2, S, S, 3). actions: int64 (N,). rows: int64 (N,), which of the transitions each is of."""

    frames: NDArray[np.uint8]
    actions: NDArray[np.int64]
    rows: NDArray[np.int64]


def redraw(
    world: World, dataset: Dataset, transitions: Transitions, rows: NDArray[np.int64], horizon: int, seed: int
) -> Redrawn:
    """Each transition of `rows` after 1 to `horizon` dreamt frames, itself the last. Those that begin too early in
    their episode for a prompt are left out."""
    rng = np.random.default_rng((seed, 1))
    depths = rng.integers(1, horizon + 1, len(rows))
    possible = transitions.starts[rows] + 1 - depths >= GIVEN - 1
    rows, depths = rows[possible], depths[possible]
    size = dataset.spec.image_size
    made = Redrawn(np.zeros((len(rows), 2, size, size, 3), np.uint8), np.zeros(len(rows), np.int64), rows)
    done = 0
    with ProgressLine("dreaming for the heads", 1, unit="transition") as line:
        for depth in range(1, horizon + 1):
            alike = np.flatnonzero(depths == depth)
            for part in np.split(alike, range(TOGETHER, len(alike), TOGETHER)):
                if len(part):
                    _redraw(world, dataset, transitions, depth, part, made, seed)
                    done += len(part)
                    line.advance_to(done, len(rows))
    return made


def _redraw(
    world: World,
    dataset: Dataset,
    transitions: Transitions,
    depth: int,
    part: NDArray[np.int64],
    made: Redrawn,
    seed: int,
) -> None:
    """Some transitions of one depth, into `made`."""
    episodes, ends = transitions.episodes[made.rows[part]], transitions.starts[made.rows[part]] + 2
    frames, actions = dataset.windows(episodes, ends - GIVEN - depth, GIVEN + depth)
    prompt = to_float(frames[:, :GIVEN])
    seeds = [seed * 1_000_003 + int(row) for row in made.rows[part]]
    drawn = to_bytes(world.rollout(prompt, torch.from_numpy(actions), seeds).frames)
    whole = np.concatenate([frames[:, GIVEN - 1 : GIVEN], drawn], 1)
    made.frames[part] = whole[:, -2:]
    made.actions[part] = actions[:, -1]
