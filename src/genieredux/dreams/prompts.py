"""Where dreams of a world may begin: frames of a data set that the world did not learn from. Knows worlds by their
protocol and data sets by their reader.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.frames import to_float
from genieredux.models.sampling import Sampling
from genieredux.models.world.file import Prompt, write_world
from genieredux.models.world.model import WorldModel
from genieredux.models.world.protocol import World

GIVEN = 8
"""Frames of a prompt, where episodes are as long."""


@dataclass(frozen=True)
class Origin:
    """Which moment of a game a prompt ends at: the episode's game, level and seed, and the true actions, int64 (n,),
    that lead there from its first frame."""

    game: str
    level: int
    seed: int
    actions: np.ndarray


def prompts_of(world: World, dataset: str | Path, count: int = 12, seed: int = 0) -> list[Prompt]:
    """The prompts of `places_of`. Raises UserError."""
    return [prompt for prompt, _ in places_of(world, dataset, count, seed)]


def places_of(world: World, dataset: str | Path, count: int = 12, seed: int = 0) -> list[tuple[Prompt, Origin]]:
    """Beginnings of dreams from the test split (else the held-out, else any episodes) of a data set: one each of as
    many episodes as there are.

    A world of codes gets the codes that it reads off the frames. Raises UserError for another image size, other actions
    or episodes of one frame alone.
    """
    held = held_out(Dataset.open(str(dataset)))
    check_fits(world, held)
    longest = int(held.lengths.max())
    if longest < 2:
        raise UserError(f"no episode of {dataset} has two frames; a dream needs something to begin with")
    given = min(GIVEN, longest)
    rng = np.random.default_rng(seed)
    fitting = np.flatnonzero(held.lengths >= given)
    places = []
    for episode in rng.permutation(np.resize(fitting, max(count, 1)))[:count]:
        start = int(rng.integers(0, held.lengths[episode] - given + 1))
        clip = held.clip(int(episode), start, start + given)
        codes = world.actions_of(to_float(clip.frames)[None])
        prompt = clip.frames, clip.actions if codes is None else codes[0].cpu().numpy()
        facts = held.index.slice(int(episode), 1).select(["game", "instance", "seed"]).to_pylist()[0]
        before = held.actions(int(episode))[: start + given - 1]
        places.append((prompt, Origin(facts["game"], facts["instance"], facts["seed"], before)))
    return places


def make_world_file(
    model: str | Path,
    dataset: str | Path,
    out: str | Path,
    *,
    count: int = 12,
    seed: int = 0,
    sampling: Sampling | None = None,
    precision: str = "float32",
) -> Path:
    """One file to give away: a dynamics checkpoint, what it needs, and prompts of a data set. Raises UserError."""
    if Path(out).exists():
        raise UserError(f"{out} exists; give another out=FILE")
    prompts = prompts_of(WorldModel.load(model), dataset, count, seed)
    return write_world(out, model, prompts, sampling=sampling, precision=precision)


def check_fits(world: World, dataset: Dataset) -> None:
    """Raises UserError for a data set of another image size or, where the world takes buttons, of other actions."""
    spec = dataset.spec
    if spec.image_size != world.image_size:
        raise UserError(
            f"{dataset.path} has frames of {spec.image_size} pixels a side, this world {world.image_size}; give another"
        )
    if world.takes == "buttons" and tuple(spec.action_names) != tuple(world.action_names):
        raise UserError(
            f"the world's actions ({', '.join(world.action_names)}) are not those of {dataset.path} "
            f"({', '.join(spec.action_names) or 'none'}); give a data set with its actions"
        )


def held_out(dataset: Dataset) -> Dataset:
    """The episodes of the test splits, else of any that is not for training, else all."""
    names = sorted(set(dataset.index["split"].to_pylist()))
    test = [name for name in names if name == "test" or name.startswith("test.")]
    others = test or [name for name in names if name != "train"]
    return dataset.select(split=others) if others else dataset
