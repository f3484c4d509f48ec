"""What is collected: the connector configuration of the published commands, as typed dataclasses.

The names under `connector` are those that `generate` has always taken on its command line; what the published
code had no name for (where a game comes from, splits, level ranges) stands beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.policies import VARIANTS


@dataclass(frozen=True)
class GeneratorConfig:
    """How much is played. A split may override the first two."""

    n_instances: int = 1
    """Levels played per game (consoles have one start, so 1)."""
    n_sessions: int = 20
    """Episodes per level."""
    n_steps_max: int = 500
    """An episode is truncated after this many actions; it then holds one frame more."""
    n_workers: int | None = None
    """Emulator processes, or native threads for Procgen; None = one per CPU core. It never changes what is
    collected.
    """

    def __post_init__(self) -> None:
        for name in ("n_instances", "n_sessions", "n_steps_max", "n_workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"connector.generator_config.{name} must be at least 1, got {value}")


@dataclass(frozen=True)
class AgentConfig:
    """The variety of an agent's play."""

    checkpoint_fpath: str | None = None
    """A trained agent's file; the policies `random` and `held` have none."""
    gamma: float = 0.0
    """The probability of a random action at each step."""
    temperature: float | None = None
    """Softens (above 1) or sharpens (below 1) the agent's choice; only for policies with preferences."""


@dataclass(frozen=True)
class SplitConfig:
    """One part of a data set: which levels, who plays, how much. None = what the connector says."""

    name: str = "train"
    """What the episodes are marked with, such as `train` or `test.held`. Two entries may share a name."""
    variant: str | None = None
    """The policy."""
    start_level: int = 0
    """The first level."""
    n_instances: int | None = None
    """Levels start_level to start_level + n_instances - 1 are played, each once, in a shuffled order, then
    again.
    """
    n_sessions: int | None = None
    """Episodes per level."""
    n_frames: int | None = None
    """Play on until this many frames are stored (per game), instead of counting sessions."""

    def __post_init__(self) -> None:
        for name in ("n_instances", "n_sessions", "n_frames"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"connector.splits '{self.name}': {name} must be at least 1, got {value}")
        if not self.name or self.start_level < 0:
            raise UserError(
                f"connector.splits: a split needs a name and a start_level of 0 or more; got {self.name!r}, "
                f"{self.start_level}"
            )


@dataclass(frozen=True)
class ConnectorConfig:
    """Where the data come from. Most users set `kind`, `games` and `generator_config`."""

    name: str = "retro_act"
    """The data set is called `<name>_v<version>`, and `_<dname>` after that if there is a dname."""
    version: str = "0.0.0"
    dname: str | None = None
    variant: str = "random"
    """Who plays: `random` (uniform at every step) or `held` (each action kept for 4 to 8 steps)."""
    kind: str = "retro"
    """Where the games come from: retro, procgen, gymnasium or fake (see envs/config.py)."""
    games: tuple[str, ...] = ()
    """The games, by the names of their library."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Game -> tags to store with its episodes, such as its view, motion and genre."""
    image_size: int = 64
    n_skip_frames: int | None = None
    """How many game frames an action is held; None = 4 on consoles, 1 elsewhere."""
    action_names: tuple[str, ...] | None = None
    """The actions; None = the kind's defaults."""
    distribution_mode: str = "hard"
    """Procgen's difficulty."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the games' library."""
    skip_missing_games: bool = False
    """Leave out games that cannot be played here (no ROM) instead of stopping."""
    generator_config: GeneratorConfig = field(default_factory=GeneratorConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    splits: tuple[SplitConfig, ...] = (SplitConfig(),)

    def __post_init__(self) -> None:
        for name in ("games", "splits", "action_names"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.games:
            raise UserError("connector.games is empty: name at least one game, such as ['Airstriker-Genesis']")
        if len(set(self.games)) != len(self.games):
            raise UserError("connector.games names a game twice")
        if not self.splits:
            raise UserError("connector.splits is empty: describe at least one split, such as [{name: train}]")
        if self.agent.checkpoint_fpath is not None:
            raise UserError(
                f"connector.agent.checkpoint_fpath is set, but the policy '{self.variant}' has none; leave it out"
            )
        entries = [(split.name, split.variant or self.variant) for split in self.splits]
        for entry in entries:
            if entry[1] not in VARIANTS:
                near = get_close_matches(entry[1], VARIANTS, n=1, cutoff=0.0)[0]
                raise UserError(
                    f"connector.variant '{entry[1]}' is unknown; nearest: '{near}'; all: {', '.join(VARIANTS)}"
                )
            if entries.count(entry) > 1:
                raise UserError(f"connector.splits: two entries '{entry[0]}' with variant '{entry[1]}'; rename one")

    @property
    def dataset_name(self) -> str:
        """The folder's name, as the training commands expect it."""
        return f"{self.name}_v{self.version}" + (f"_{self.dname}" if self.dname else "")

    def env(self, game: str) -> EnvConfig:
        """How one of the games is made. Raises `UserError` at a value out of range."""
        return EnvConfig(
            kind=self.kind,
            game=game,
            image_size=self.image_size,
            action_names=self.action_names,
            frame_skip=self.n_skip_frames,
            max_episode_steps=self.generator_config.n_steps_max,
            distribution_mode=self.distribution_mode,
            num_workers=self.generator_config.n_workers,
            options=self.options,
        )


@dataclass(frozen=True)
class CollectConfig:
    """One collection: a connector, a place and a seed."""

    connector: ConnectorConfig
    root: str = "datasets"
    """The data set becomes a folder in this one."""
    seed: int = 0
    """Everything that is random follows from it: same seed, same versions, same bytes."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UserError(f"seed must be 0 or more, got {self.seed}")
