"""Which libraries' games can be played, and what each adapter says of itself.

An adapter is one module that ends in `ADAPTER = Adapter(...)`, and one line here; it is imported when its kind is
asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from genieredux.envs.game import Game, GameFacts

if TYPE_CHECKING:
    from genieredux.envs.config import EnvConfig

KINDS = {
    "procgen": "genieredux.envs.procgen",
    "retro": "genieredux.envs.retro",
    "ale": "genieredux.envs.ale",
    "gymnasium": "genieredux.envs.gymnasium_env",
    "fake": "genieredux.envs.fake",
}
"""Where a game can come from -> the module of its adapter."""


@dataclass(frozen=True)
class Adapter:
    """How the games of one kind are found and played."""

    describe: Callable[["EnvConfig"], GameFacts]
    """The game's name, console and actions, without starting anything that lasts. Raises `UserError` where it cannot be
    played here: no such game, no ROM, a wrong ROM, a package not installed.
    """
    open: Callable[["EnvConfig"], Game]
    """The game, in this process; `cfg.max_episode_steps` is the caller's to keep."""
    processes: Literal["here", "cores", "each"] = "here"
    """Where a vector of them plays: in this process unless `num_workers` is above 1; in a process for each CPU core;
    or in a process each, as libraries demand of which one game fits in a process.
    """
    skip: int = 1
    """Game frames that an action is held by default."""
    waits: bool = False
    """Whether it knows `start_frames`."""
    packages: tuple[str, ...] = ()
    """Distributions whose version may change what is played."""


def adapter(kind: str) -> Adapter:
    """The adapter of a kind in `KINDS`."""
    one: Adapter = import_module(KINDS[kind]).ADAPTER
    return one
