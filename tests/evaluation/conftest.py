"""Clips of a world whose rules are known, and a small data set with models for it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest

from evaluated import make_clips
from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.episodes import DatasetSpec, DatasetWriter, Episode
from genieredux.evaluation import Clips
from genieredux.models.checkpoint import Section, fingerprint, save_model
from genieredux.models.world.fake import FakeWorld

MakeClips = Callable[..., Clips]


@pytest.fixture(scope="session", name="make_clips")
def _make_clips() -> MakeClips:
    """make_clips(episodes=4, per_episode=2, length=12, seed=0, texture=0.1, held=False) -> Clips."""

    return make_clips


@dataclass(frozen=True)
class Toy:
    """dataset: of 32x32 frames, two games, splits train, test.random, test.held. world, tokenizer: untrained."""

    dataset: Path
    world: Path
    tokenizer: Path


def toy_episode(number: int, split: str, length: int = 30) -> Episode:
    """Tiles that move as the actions say; games mario (Nes, side, pl) and sonic (Genesis, side, shooter)."""
    rng = np.random.default_rng(number)
    actions = rng.integers(0, len(ACTIONS), length - 1)
    even = number % 2 == 0
    return Episode(
        frames=FakeWorld(image_size=32).play(actions, number),
        actions=actions.astype(np.int64),
        rewards=np.zeros(length - 1, np.float32),
        terminated=False,
        truncated=True,
        game="mario" if even else "sonic",
        console="Nes" if even else "Genesis",
        tags=("side", "pl" if even else "shooter"),
        policy="random",
        seed=number,
        split=split,
    )


def write_toy_data(
    root: Path, name: str = "toy", splits: tuple[str, ...] = ("train", "test.random", "test.held")
) -> Path:
    """Four episodes of 30 frames in each split."""
    with DatasetWriter(root / name, DatasetSpec(name, 32, ACTIONS)) as writer:
        for index, split in enumerate(splits):
            for number in range(4):
                writer.append(toy_episode(10 * index + number, split))
    return root / name


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """One for all tests; nobody changes it."""
    folder = tmp_path_factory.mktemp("toy")
    tokenizer = make_tokenizer()
    dynamics = make_dynamics(tokenizer)
    config, state = {**asdict(tokenizer.config), "architecture": "conv"}, tokenizer.state_dict()
    alone = save_model(folder / "tokenizer" / "model-5.pt", "tokenizer", config, state, step=5)
    section = Section("tokenizer", config, state, fingerprint("tokenizer", config, state))
    world = save_model(
        folder / "run" / "model-7.pt",
        dynamics.kind,
        dynamics.config,
        dynamics.state_dict(),
        step=7,
        metadata={"action_names": list(ACTIONS)},
        sections={"tokenizer": section},
    )
    return Toy(write_toy_data(folder / "datasets"), world, alone)
