"""What an environment is made from: one dataclass for every kind of game."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from genieredux.errors import UserError

KINDS = ("procgen", "retro", "ale", "gymnasium", "fake")
"""Where a game can come from."""

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
    """Procgen and ale: native threads. Others: processes (retro always has one per environment). None = one per CPU
    core.
    """
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the game's library."""

    def __post_init__(self) -> None:
        """Raises `UserError` at a value out of range."""
        if self.kind not in KINDS:
            near = get_close_matches(self.kind, KINDS, n=1, cutoff=0.0)[0]
            raise UserError(f"env kind '{self.kind}' is unknown; nearest: '{near}'; all: {', '.join(KINDS)}")
        if self.image_size < 1:
            raise UserError(f"image_size must be at least 1, got {self.image_size}")
        for name in ("frame_skip", "max_episode_steps", "num_workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        if self.start_frames < 0 or (self.start_frames and self.kind != "retro"):
            raise UserError(
                f"n_skip_start_frames is for kind retro, and 0 or more; got {self.start_frames} for kind '{self.kind}'"
            )
        if self.num_levels < 0 or not 0 <= self.start_level <= MAX_LEVEL - self.num_levels:
            raise UserError(
                f"levels must lie in [0, {MAX_LEVEL}]; got start_level={self.start_level}, num_levels={self.num_levels}"
            )
        if self.action_names is not None:
            object.__setattr__(self, "action_names", tuple(self.action_names))
        object.__setattr__(self, "options", dict(self.options))

    @property
    def skip(self) -> int:
        """Game frames per step, the default of the kind filled in."""
        return self.frame_skip or (4 if self.kind in ("retro", "ale") else 1)
