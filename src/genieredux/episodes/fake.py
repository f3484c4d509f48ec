"""Made-up episodes whose every frame says what must have happened: for tests and benchmarks that need no
game.

A bright square stands at one of `PLACES` places of a row; action a moves it a places on (around the end). So
`place(frames[k+1])` follows from `place(frames[k])` and `actions[k]`, and anything that shifts frames against
actions shows.
"""

from pathlib import Path

import numpy as np

from genieredux.episodes.alignment import num_actions
from genieredux.episodes.reader import Dataset
from genieredux.episodes.schema import DatasetSpec, Episode
from genieredux.episodes.writer import DatasetWriter

PLACES = 16
ACTION_NAMES = ("STAY", "STEP", "JUMP")


def fake_spec(image_size: int = 16, name: str = "fake") -> DatasetSpec:
    """The spec of data sets of fake episodes; image_size at least 16."""
    return DatasetSpec(name, image_size, ACTION_NAMES, created_by={"policy": "fake", "seed": 0})


def fake_episode(
    length: int,
    seed: int = 0,
    image_size: int = 16,
    split: str = "train",
    policy: str = "random",
    id: str = "",
) -> Episode:
    """An episode of `length` frames; its content depends on `seed` alone."""
    generator = np.random.default_rng([seed, length])
    actions = generator.integers(0, len(ACTION_NAMES), num_actions(length))
    places = (int(generator.integers(PLACES)) + np.concatenate([[0], np.cumsum(actions)])) % PLACES
    frames = np.zeros((length, image_size, image_size, 3), np.uint8)
    frames[..., 2] = generator.integers(0, 40, (image_size, image_size))
    width = image_size // PLACES
    for frame, place in zip(frames, places.tolist(), strict=True):
        frame[:, place * width : (place + 1) * width, 0] = 255
    return Episode(
        frames=frames,
        actions=actions.astype(np.int64),
        rewards=(actions == len(ACTION_NAMES) - 1).astype(np.float32),
        terminated=bool(seed % 2),
        truncated=not seed % 2,
        info={"place": places.astype(np.int64), "height": generator.random(length)},
        game="fake-game",
        console="Fake",
        tags=("test", "platformer"),
        policy=policy,
        seed=seed,
        instance=seed % 5,
        split=split,
        id=id,
    )


def fake_places(frames: np.ndarray) -> np.ndarray:
    """Where the square stands in frames uint8 (..., H, W, 3): int64 (...)."""
    width = frames.shape[-2] // PLACES
    return np.argmax(frames[..., 0, ::width, 0], axis=-1)


def fake_dataset(path: str | Path, lengths: tuple[int, ...] = (40, 3, 17, 64, 16), image_size: int = 16) -> Dataset:
    """Writes a data set of fake episodes, every fifth of split `test`, and opens it."""
    with DatasetWriter(path, fake_spec(image_size)) as writer:
        for seed, length in enumerate(lengths):
            writer.append(fake_episode(length, seed, image_size, split="test" if seed % 5 == 4 else "train"))
    return Dataset.open(path)
