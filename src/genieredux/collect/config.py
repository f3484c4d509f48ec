"""What is collected: the connector configuration of the published commands, as typed dataclasses.

The names under `connector` are those that `generate` has always taken on its command line; what the published
code had no name for (where a game comes from, splits, level ranges) stands beside them.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar

from genieredux.config import FilePath
from genieredux.envs import EnvConfig
from genieredux.errors import UserError
from genieredux.policies import VARIANTS

LABELS = ("view", "motion", "genre", "console")
"""The filters by label, as the catalogue calls them."""

TRAINED_VARIANTS = ("auto_explore", "agent57")
"""Published players that need a trained agent."""

_MAX_SIDE = 4096  # far above any game's picture; above it a frame does not fit anywhere


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

    checkpoint_fpath: FilePath | None = None
    """A trained agent's file; the policies `random` and `held` have none."""
    gamma: float = 0.0
    """The probability of a random action at each step."""
    temperature: float | None = None
    """Softens (above 1) or sharpens (below 1) the agent's choice; only for policies with preferences."""
    sticky: float = 0.0
    """The probability, at each step, that the action before is repeated: random play then walks further."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma <= 1.0:
            raise UserError(f"connector.agent.gamma is the probability of a random action, 0 to 1; got {self.gamma}")
        if self.temperature is not None and not 0.0 <= self.temperature < float("inf"):
            raise UserError(f"connector.agent.temperature must be 0 or more; got {self.temperature}")
        if not 0.0 <= self.sticky < 1.0:
            raise UserError(f"connector.agent.sticky is a probability, at least 0 and below 1; got {self.sticky}")


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
    """Play on until this many frames are stored (per game), instead of n_sessions."""
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
    """Who plays: `random` (uniform at every step) or `held` (each action kept for 4 to 8 steps)."""
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
    """The actions; None = the kind's defaults."""
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
        if self.n_games is not None and self.n_games < 1:
            raise UserError(f"connector.n_games must be at least 1, got {self.n_games}")

    def _check_splits(self) -> None:
        if not self.splits:
            raise UserError("connector.splits is empty: describe at least one split, such as [{name: train}]")
        if sum(split.share or 0.0 for split in self.splits) > 1.0 + 1e-9:
            raise UserError("connector.splits: the shares are more than 1 together")
        entries = [(split.name, split.variant or self.variant) for split in self.splits]
        for variant in (self.variant, *(entry[1] for entry in entries)):
            _check_variant(variant)
        for entry in entries:
            if entries.count(entry) > 1:
                raise UserError(f"connector.splits: two entries '{entry[0]}' with variant '{entry[1]}'; rename one")
        if self.agent.checkpoint_fpath is not None:
            raise UserError(
                f"connector.agent.checkpoint_fpath is set, but the policy '{self.variant}' has none; leave it out"
            )

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

    def sessions(self, split: SplitConfig) -> int:
        """Episodes per level in one of the splits; 0 where its share of few sessions comes to none.

        Shares divide the sessions as the published code does: from floor(n * low) to floor(n * high).
        """
        total = self.generator_config.n_sessions
        if split.share is None:
            return split.n_sessions or total
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


def _check_variant(variant: str) -> None:
    if variant in VARIANTS:
        return
    if variant in TRAINED_VARIANTS:
        raise UserError(
            f"connector.variant '{variant}' plays a trained agent, which this version does not have yet; "
            f"it has: {', '.join(VARIANTS)}"
        )
    near = get_close_matches(variant, VARIANTS, n=1, cutoff=0.0)[0]
    raise UserError(f"connector.variant '{variant}' is unknown; nearest: '{near}'; all: {', '.join(VARIANTS)}")


@dataclass(frozen=True)
class CollectConfig:
    """One collection: a connector, a place and a seed."""

    connector: ConnectorConfig
    root: FilePath = "datasets"
    """The data set becomes a folder in this one."""
    seed: int = 0
    """Everything that is random follows from it: same seed, same versions, same bytes."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UserError(f"seed must be 0 or more, got {self.seed}")
