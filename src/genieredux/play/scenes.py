"""What can be walked in: a world with all that belongs to it, and the worlds to choose from by name."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from genieredux.checking import one_of, within
from genieredux.dreams.prompts import Origin, places_of
from genieredux.dreams.session import Prompt, check_prompts
from genieredux.dreams.together import Together
from genieredux.envs import EnvConfig, describe
from genieredux.envs.adapters import KINDS
from genieredux.episodes import Dataset
from genieredux.errors import UserError
from genieredux.models.latent.mapping import ActionMapping
from genieredux.models.sampling import Sampling
from genieredux.models.world.file import load_world
from genieredux.models.world.protocol import World
from genieredux.play.bindings import Bindings, bind
from genieredux.play.doubt import Doubt, doubt_beside

MOST_PROMPTS = 10_000
MOST_LOADED = 2
"""Worlds that are held in memory at a time, besides those that somebody is in."""


@dataclass(frozen=True)
class Scene:
    """A world and what belongs to it.

    prompts: where dreams may begin. notes: of each action what was measured of it, or "". doubt: how often the world is
    wrong, where that was measured. game: the real one with the actions of `to_game`, one for each of the world's.
    origins: which moment of the game each prompt ends at, where that is known.
    """

    name: str
    world: World
    prompts: list[Prompt]
    notes: tuple[str, ...] = ()
    doubt: Doubt | None = None
    game: EnvConfig | None = None
    to_game: tuple[int, ...] = ()
    origins: tuple[Origin, ...] = ()
    bindings: Bindings = field(init=False)
    together: Together = field(init=False, default_factory=Together, compare=False)
    """Everybody who is in the scene."""

    def __post_init__(self) -> None:
        """Raises UserError for prompts that do not fit."""
        object.__setattr__(self, "prompts", check_prompts(self.world, self.prompts))
        object.__setattr__(self, "bindings", bind(self.world.action_names))


class Scenes:
    """The worlds to choose from. They are loaded when they are wanted."""

    def __init__(self, loaders: Mapping[str, Callable[[], Scene]]) -> None:
        """loaders: name -> what makes the scene; the first is shown first."""
        self._loaders = dict(loaders)
        self._loaded: dict[str, Scene] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Of all, the first one first."""
        return list(self._loaders)

    def get(self, name: str) -> Scene:
        """The scene of a name. Raises UserError where there is none, or it cannot be loaded."""
        one_of("the world", name, self._loaders)
        with self._lock:
            scene = self._loaded.pop(name, None) or self._loaders[name]()
            self._loaded[name] = scene
            while len(self._loaded) > MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            return scene


@dataclass(frozen=True)
class Wanted:
    """How a scene is made of a world's file.

    dataset: whose held-out episodes give the beginnings. game: "kind:name", or "none"; None: what the world was made
    from, where it can be told. calibration: the results.json of an evaluation.
    """

    dataset: str | None = None
    prompts: int = 12
    latent: bool = False
    game: str | None = None
    calibration: str | None = None
    steps: int | None = None
    temperature: float | None = None
    choice: str | None = None

    def __post_init__(self) -> None:
        """Raises UserError for fewer than one beginning, or more than anybody looks through."""
        within("prompts", self.prompts, 1, MOST_PROMPTS)


def scene_of(path: Path, wanted: Wanted | None = None) -> Scene:
    """The scene of a world's file. Raises UserError where it has no beginnings, or what is wanted is not there."""
    wanted = wanted or Wanted()
    world, prompts = load_world(path, latent=wanted.latent)
    origins: list[Origin] = []
    if wanted.dataset:
        places = places_of(world, wanted.dataset, wanted.prompts)
        prompts, origins = [prompt for prompt, _ in places], [origin for _, origin in places]
    elif not prompts:
        raise UserError(f"{path} carries no beginnings; say dataset=FOLDER, a data set of the same game")
    world.sampling = world.sampling.changed(wanted.steps, wanted.temperature, wanted.choice)
    doubt = Doubt.read(Path(wanted.calibration)) if wanted.calibration else doubt_beside(path)
    mapping = _mapping(world.metadata)
    codes = world.takes == "codes"
    notes = tuple(_measured(mapping, code) for code in range(len(world.action_names))) if codes and mapping else ()
    names, to_game = world.action_names, tuple(range(len(world.action_names)))
    if codes:  # a game takes buttons: those that the codes most probably are
        names, to_game = (mapping.action_names, mapping.to_true) if mapping else ((), ())
    game = _game(wanted, world.metadata, world.image_size, names)
    return Scene(
        path.stem,
        cast(World, world),
        [Prompt(*prompt) for prompt in prompts],
        notes,
        doubt,
        game,
        to_game,
        tuple(origins),
    )


def changed(scene: Scene, steps: int | None, temperature: float | None, choice: str | None) -> Sampling | None:
    """The world's sampling with what is given instead; None where the world has none to choose. Raises UserError."""
    own = scene.world.sampling
    return None if own is None else own.changed(steps, temperature, choice)


def _mapping(metadata: Mapping[str, Any]) -> ActionMapping | None:
    said = metadata.get("action_mapping")
    return None if said is None else ActionMapping.from_json(said)


def _measured(mapping: ActionMapping, code: int) -> str:
    """What was counted of a code, such as "RIGHT 62 %, UP 20 %"."""
    counts = mapping.counts[code]
    if not counts.sum():
        return "never seen"
    shares = counts / counts.sum()
    best = np.argsort(-shares, kind="stable")[:2]
    return ", ".join(f"{mapping.action_names[a]} {shares[a]:.0%}" for a in best if shares[a] >= 0.1)


def _game(wanted: Wanted, metadata: Mapping[str, Any], size: int, names: tuple[str, ...]) -> EnvConfig | None:
    """The real game, if it can be played here with these actions. Raises UserError where one was asked for that
    cannot."""
    if wanted.game == "none" or not names:
        return None
    if wanted.game:
        kind, _, game = wanted.game.partition(":")
        one_of("the kind in game=kind:name", kind, KINDS)
        config = EnvConfig(kind=kind, game=game, image_size=size, action_names=names)
        _check_actions(config, names)
        return config
    try:
        config = _made_from(wanted.dataset, metadata, size, names)
        _check_actions(config, names)
        return config
    except (UserError, LookupError, TypeError, ValueError):  # what the world was made from is not said, or not here
        return None


def _check_actions(config: EnvConfig, names: tuple[str, ...]) -> None:
    offered = describe(config).action_names
    if tuple(offered) != tuple(names):
        raise UserError(f"{config.game} takes {', '.join(offered)}, this world {', '.join(names)}; say game=none")


def _made_from(dataset: str | None, metadata: Mapping[str, Any], size: int, names: tuple[str, ...]) -> EnvConfig:
    """The game that the data set says, else the Procgen game after which the world's data set is called."""
    if dataset is None:
        game = str(metadata["dataset"]).partition("_v")[0]
        return EnvConfig(kind="procgen", game=game, image_size=size, action_names=names)
    made = Dataset.open(dataset).spec.created_by["connector"]
    return EnvConfig(
        kind=made["kind"],
        game=made["games"][0],
        image_size=size,
        action_names=names,
        frame_skip=made["n_skip_frames"],
        start_frames=made["n_skip_start_frames"],
        distribution_mode=made["distribution_mode"],
        options=made["options"],
    )
