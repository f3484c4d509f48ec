"""What is collected: the connector configuration of the published commands, as typed dataclasses.

The names under `connector` are those that `generate` has always taken on its command line; what the published
code had no name for (where a game comes from, splits, level ranges) stands beside them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from genieredux.checking import above, at_least, require, within
from genieredux.config import FilePath
from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.policies import check_variant, spec_of
from genieredux.settings import Seed, check_values

LABELS = ("view", "motion", "genre", "console")
"""The filters by label, as the catalogue calls them."""

MAX_GB = 10.0
"""Gigabytes (10^9 bytes) that a plan may take on the disk without being asked for."""

_USUAL_SESSIONS = 20
_MAX_SIDE = 4096  # far above any game's picture; above it a frame does not fit anywhere


@dataclass(frozen=True)
class GeneratorConfig:
    """How much is played of each game. Every split keeps to these amounts; it may ask for less, never for more."""

    n_instances: int | None = None
    """Levels from which episodes are taken, in each split; null: what the splits say, else 1 (consoles have one start).
    """
    n_sessions: int | None = None
    """Episodes of a game, in each split (in those with a `share` together); null: what the splits say, else 20, or
    every level once where there are more.
    """
    n_steps_max: int = 500
    """An episode is truncated after this many actions; it then holds one frame more."""
    n_workers: int | None = None
    """Emulator processes; null = one per CPU core. It never changes what is collected."""

    def __post_init__(self) -> None:
        for name in ("n_instances", "n_sessions", "n_steps_max", "n_workers"):
            at_least(f"connector.generator_config.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class AgentConfig:
    """The variety of an agent's play."""

    checkpoint_fpath: FilePath | None = None
    """A trained agent's file, for policies that take one; `random` and `held` have none."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else a policy takes: `{shortest: 2}` for held actions, `{dataset: datasets/x}` for recorded ones."""
    gamma: float = 0.0
    """The probability of a random action at each step."""
    temperature: float | None = None
    """Softens (above 1) or sharpens (below 1) the agent's choice; only for policies with preferences."""
    sticky: float = 0.0
    """The probability, at each step, that the action before is repeated: random play then walks further."""

    def __post_init__(self) -> None:
        within("connector.agent.gamma", self.gamma, 0.0, 1.0)
        at_least("connector.agent.temperature", self.temperature, 0.0)
        require(0.0 <= self.sticky < 1.0, "connector.agent.sticky", self.sticky, "at least 0 and below 1")

    @property
    def wrappers(self) -> tuple[tuple[str, float], ...]:
        """What is put around the policy, the innermost first."""
        temperature = () if self.temperature is None else (("temperature", self.temperature),)
        chances = (("gamma", self.gamma), ("sticky", self.sticky))
        return (*temperature, *(chance for chance in chances if chance[1]))


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
    again; null = generator_config.n_instances, which is also the most.
    """
    n_sessions: int | None = None
    """Episodes of a game; null = generator_config.n_sessions, which is also the most."""
    n_frames: int | None = None
    """Play on until this many frames are stored (of a game), where generator_config.n_sessions is not set."""
    share: float | None = None
    """This share of `generator_config.n_sessions`, instead of a number: the published 0.9, 0.09 and 0.01."""

    def __post_init__(self) -> None:
        if self.share is not None and not (0.0 < self.share <= 1.0 and self.n_sessions is None is self.n_frames):
            raise UserError(
                f"connector.splits '{self.name}': share is above 0 and at most 1, and stands instead of n_sessions "
                f"and n_frames; got {self.share}"
            )
        if self.n_frames is not None and self.n_sessions is not None:
            raise UserError(
                f"connector.splits '{self.name}': n_frames={self.n_frames} stands instead of "
                f"n_sessions={self.n_sessions}; leave one out"
            )
        for name in ("n_instances", "n_sessions", "n_frames"):
            at_least(f"connector.splits '{self.name}': {name}", getattr(self, name), 1)
        if not self.name or self.start_level < 0:
            raise UserError(
                f"connector.splits: a split needs a name and a start_level of 0 or more; got {self.name!r}, "
                f"{self.start_level}"
            )


@dataclass(frozen=True)
class ConnectorConfig:
    """Where the data come from. Most users set `kind`, `games` and `generator_config`.

    `games` names games; where it is empty, the filters `view` to `n_games` choose them (kinds retro and ale, whose
    games are catalogued). See collect/games.py.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {"platform": "console", "valid_action_combos": "action_names"}
    """What the published configurations called some of these."""

    name: str = "retro_act"
    """The data set is called `<name>_v<version>`, and `_<dname>` after that if there is a dname."""
    version: str = "0.0.0"
    """Part of the data set's name."""
    dname: str | None = None
    """Added to the data set's name."""
    variant: str = "random"
    """Who plays: `random` (uniform at every step), `held` (each action kept for 4 to 8 steps), `recorded` (the actions
    of a data set), or a policy of your own, `module:function`.
    """
    kind: str = "retro"
    """Where the games come from: retro, ale, procgen, gymnasium or fake (see envs/config.py)."""
    games: tuple[str, ...] = ()
    """The games, by the names of their library."""
    game: str | None = None
    """One game, as in the published commands; `all` = what the filters choose."""
    view: tuple[str, ...] | None = None
    """Only games seen so: side, top, 3p, 1p, multi."""
    motion: tuple[str, ...] | None = None
    """Only games with this axis: free, h, v, fixed, tube."""
    genre: tuple[str, ...] | None = None
    """Only games of these genres: pl (platformers), fight, shooter, ..."""
    console: tuple[str, ...] | None = None
    """Only games of these consoles: Nes, Genesis, Snes, Sms, GameBoy, Atari2600, 32x, ..."""
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Only games whose buttons were annotated to do one of these things, such as `{ACTION_JUMP: [jump]}`."""
    published_only: bool = False
    """Only games of the published RetroAct v0.1, not those that this project annotated itself."""
    n_games: int | None = None
    """Only the first so many, in alphabetical order."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Game -> tags to store with its episodes; a game of the catalogue needs none: its view, motion and genre."""
    image_size: Any = 64
    """Side of the square frames in pixels; the published form `[64, 64]` is understood too."""
    n_skip_frames: int | None = None
    """How many game frames an action is held; None = 4 on consoles, 1 elsewhere."""
    n_skip_start_frames: int = 0
    """Console frames that pass, with no button held, before an episode's first frame."""
    action_names: tuple[str, ...] | None = None
    """The actions; None = the kind's defaults. On a console also its buttons by their own names (B), and NOOP."""
    distribution_mode: str = "hard"
    """Procgen's difficulty."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the games' library."""
    skip_missing_games: bool | None = None
    """Leave out games that cannot be played here (no ROM) instead of stopping; None = leave out what filters
    chose, stop at what was named.
    """
    generator_config: GeneratorConfig = field(default_factory=GeneratorConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    splits: tuple[SplitConfig, ...] = (SplitConfig(),)
    """The parts of the data set: which levels, who plays, how much."""

    def __post_init__(self) -> None:
        if self.game is not None:
            if self.games and self.game != "all":
                raise UserError("connector.game and connector.games are both set; leave one out")
            self._set("games", self.games if self.game == "all" else (self.game,))
            self._set("game", None)
        for name in ("games", "splits", "action_names", *LABELS):
            if getattr(self, name) is not None:
                self._set(name, tuple(getattr(self, name)))
        self._set("image_size", _side(self.image_size))
        for name in ("name", "version", "dname"):
            value = getattr(self, name)
            if value is not None and not re.fullmatch(r"[\w.+-]+", value):
                raise UserError(
                    f"connector.{name} is {value!r}; it becomes part of a folder's name: letters, digits and . _ + -"
                )
        self._check_games()
        self._check_splits()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_games(self) -> None:
        if not self.games and not self.filters and self.kind != "ale":
            hint = ", or a filter such as connector.genre=[pl]" if self.kind == "retro" else ""
            raise UserError(f"connector.games is empty: name at least one game{hint}")
        if not self.games and self.kind not in ("retro", "ale"):
            raise UserError(
                f"connector.{self.filters[0]} chooses among catalogued games (kind retro or ale); "
                f"of kind '{self.kind}' name the games: connector.games=[...]"
            )
        if len(set(self.games)) != len(self.games):
            raise UserError("connector.games names a game twice")
        at_least("connector.n_games", self.n_games, 1)

    def _check_splits(self) -> None:
        if not self.splits:
            raise UserError("connector.splits is empty: describe at least one split, such as [{name: train}]")
        if sum(split.share or 0.0 for split in self.splits) > 1.0 + 1e-9:
            raise UserError("connector.splits: the shares are more than 1 together")
        entries = [(split.name, split.variant or self.variant) for split in self.splits]
        for entry in entries:
            if entries.count(entry) > 1:
                raise UserError(f"connector.splits: two entries '{entry[0]}' with variant '{entry[1]}'; rename one")
        check_variant(self.variant)
        spec_of([variant for _, variant in entries], self.agent.checkpoint_fpath, self.agent.options)

    @property
    def filters(self) -> tuple[str, ...]:
        """The names of the filters that are set."""
        set_ones = {label: getattr(self, label) is not None for label in (*LABELS, "n_games")}
        set_ones |= {"controls": bool(self.controls), "published_only": self.published_only}
        return tuple(name for name, is_set in set_ones.items() if is_set)

    @property
    def skips_missing(self) -> bool:
        """Whether games that cannot be played here are left out."""
        return not self.games if self.skip_missing_games is None else self.skip_missing_games

    def levels(self, split: SplitConfig) -> int:
        """Levels that a split plays."""
        own, most = split.n_instances, self.generator_config.n_instances
        return min(own or most or 1, most or own or 1)

    def sessions(self, split: SplitConfig) -> int | None:
        """Episodes of a game in a split; 0 where its share of few sessions comes to none; None where it counts frames.

        Shares divide the sessions as the published code does: from floor(n * low) to floor(n * high).
        """
        asked = self.generator_config.n_sessions
        if split.n_frames is not None:
            return asked
        total = asked or max(_USUAL_SESSIONS, self.levels(split))
        if split.share is None:
            return min(split.n_sessions or total, asked or split.n_sessions or total)
        before = sum(other.share or 0.0 for other in self.splits[: self.splits.index(split)])
        low, high = (math.floor(round(total * bound, 6)) for bound in (before, before + split.share))
        return high - low

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
            start_frames=self.n_skip_start_frames,
            max_episode_steps=self.generator_config.n_steps_max,
            distribution_mode=self.distribution_mode,
            num_workers=self.generator_config.n_workers,
            options=self.options,
        )


def _side(image_size: Any) -> int:
    """64, or the published [64, 64], as 64."""
    sides = set(image_size) if isinstance(image_size, Sequence) and not isinstance(image_size, str) else {image_size}
    side = sides.pop() if len(sides) == 1 else None
    if not isinstance(side, int) or isinstance(side, bool) or not 1 <= side <= _MAX_SIDE:
        raise UserError(
            f"connector.image_size is {image_size!r}; it must be a side in pixels, such as 64 or [64,64], "
            f"and at most {_MAX_SIDE}"
        )
    return side


@dataclass(frozen=True)
class CollectConfig:
    """One collection: a connector, a place and a seed."""

    connector: ConnectorConfig
    root: FilePath = "datasets"
    """The data set becomes a folder in this one."""
    seed: Seed = 0
    """Everything that is random follows from it: same seed, same versions, same bytes."""
    max_gb: float = MAX_GB
    """A plan that may take more on the disk than this is refused."""

    def __post_init__(self) -> None:
        check_values(CollectConfig, {"seed": self.seed}, "")
        above("collect.max_gb", self.max_gb, 0)
