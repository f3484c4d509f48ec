"""What an environment is made from: one dataclass for every kind of game."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genieredux.checking import at_least, one_of, require, within
from genieredux.envs.adapters import KINDS, adapter

MAX_LEVEL = 2**31 - 2
"""The largest level number that every adapter can take (Procgen's levels are 32-bit)."""


@dataclass(frozen=True)
class EnvConfig:
    """One game and how it is played. Most users set `kind` and `game` only."""

    kind: str = "procgen"
    """`procgen`, `retro` (stable-retro), `ale` (Atari through ale-py), `gymnasium` or `fake`."""
    game: str = "coinrun"
    """The library's own name: `coinrun`; `Airstriker-Genesis` (with or without -v0); `montezuma_revenge`; a
    Gymnasium id or `module:Class`.
    """
    image_size: int = 64
    """Side of the square frames, in pixels."""
    action_names: tuple[str, ...] | None = None
    """The actions to offer, in order; None = the game's defaults (see envs/actions.py)."""
    frame_skip: int | None = None
    """How many game frames an action is held, the last of which is seen; None = 4 for retro and ale, 1 for
    the others.
    """
    start_frames: int = 0
    """retro: emulator frames that pass, with no button held, before an episode's first frame."""
    max_episode_steps: int | None = None
    """After this many steps the episode is truncated and the next one begins; None = only the game ends it.
    """
    num_levels: int = 0
    """Levels to draw from when no level was assigned; 0 = no limit. (Retro games have one start only.)"""
    start_level: int = 0
    """The first of these levels."""
    distribution_mode: str = "hard"
    """Procgen's difficulty: easy, hard, extreme or memory."""
    num_workers: int | None = None
    """Processes of a vector of environments. None = one per CPU core, or none for light games (gymnasium, fake); retro
    always has one per environment.
    """
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the game's library."""

    def __post_init__(self) -> None:
        """Raises `UserError` at a value out of range."""
        one_of("connector.kind", self.kind, KINDS)
        at_least("image_size", self.image_size, 1)
        for name in ("frame_skip", "max_episode_steps", "num_workers"):
            at_least(name, getattr(self, name), 1)
        waits = not self.start_frames or adapter(self.kind).waits
        require(waits and self.start_frames >= 0, "n_skip_start_frames", self.start_frames, "0 but for kind retro")
        within("start_level", self.start_level, 0, MAX_LEVEL)
        within("num_levels", self.num_levels, 0, MAX_LEVEL - self.start_level)
        if self.action_names is not None:
            object.__setattr__(self, "action_names", tuple(self.action_names))
        object.__setattr__(self, "options", dict(self.options))

    def draw(self, generator: np.random.Generator) -> tuple[int, int]:
        """A level and a seed for an episode to which nobody assigned any."""
        span = self.num_levels or MAX_LEVEL - self.start_level
        return self.start_level + int(generator.integers(span)), int(generator.integers(2**62))

    @property
    def skip(self) -> int:
        """Game frames per step, the default of the kind filled in."""
        return self.frame_skip or adapter(self.kind).skip
