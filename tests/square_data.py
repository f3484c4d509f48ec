"""A data set of a bright square that actions move: small enough to learn in seconds, and its actions can be seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genieredux.episodes import DatasetSpec, DatasetWriter, Episode
from genieredux.episodes.schema import UNKNOWN_ACTION

ACTIONS = ("LEFT", "RIGHT", "STAY")
MOVES = (-1, 1, 0)


def write_square_dataset(folder: Path, names: Sequence[str] = ACTIONS, episodes: int = 8, length: int = 24) -> None:
    """A bright square on a dark 16x16 screen, moved 2 pixels to a side by the action (round the edge)."""
    rng = np.random.default_rng(0)
    writer = DatasetWriter(folder, DatasetSpec(folder.name, 16, tuple(names)))
    for index in range(episodes):
        actions = rng.integers(0, 3, length - 1)
        places = (rng.integers(8) + np.concatenate([[0], np.cumsum([MOVES[a] for a in actions])])) % 8
        frames = np.full((length, 16, 16, 3), 20, np.uint8)
        for frame, place in zip(frames, places, strict=True):
            frame[4:12, [(2 * place + k) % 16 for k in range(4)]] = 230
        writer.append(
            Episode(
                frames=frames,
                actions=actions if names else np.full(length - 1, UNKNOWN_ACTION),
                rewards=np.zeros(length - 1, np.float32),
                terminated=True,
                truncated=False,
                seed=index,
                split="train",
                game="square",
            )
        )
    writer.finish()
