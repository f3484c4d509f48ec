"""From a configuration to a playing environment, single or vector: the one place that knows every adapter."""

import os
from dataclasses import dataclass, replace

from genieredux.envs import ale
from genieredux.envs.actions import CANONICAL
from genieredux.envs.config import EnvConfig
from genieredux.envs.gymnasium_env import GymnasiumGame
from genieredux.envs.lanes import LocalVectorEnv
from genieredux.envs.pool import PoolVectorEnv
from genieredux.envs.procgen import ProcgenGame, ProcgenVectorEnv, check_game
from genieredux.envs.retro import RetroGame, resolve
from genieredux.envs.solo import SoloGame, VectorSolo
from genieredux.envs.vector import GameVectorEnv, Start
from genieredux.errors import UserError

_FAKE = "genieredux.envs.fake:FakeGame"
_LOCAL_ENVS = 8
_NATIVE_ENVS = 16  # keeps the threads of a few cores busy; more wastes play at the end of a collection


def make(cfg: EnvConfig, num_envs: int, seed: int) -> GameVectorEnv:
    """`num_envs` environments of one game, not yet reset; `seed` draws the levels and seeds that nobody
    assigns.

    retro: a worker process for each. gymnasium and fake: in this process, or in worker processes if
    `cfg.num_workers` > 1. Raises `UserError` where the game cannot be played here.
    """
    if num_envs < 1:
        raise UserError(f"num_envs must be at least 1, got {num_envs}")
    if cfg.kind == "procgen":
        return ProcgenVectorEnv(cfg, num_envs, seed)
    if cfg.kind == "ale":
        return ale.AleVectorEnv(cfg, num_envs, seed)
    if cfg.kind == "retro":
        resolve(cfg)  # fail here, in one line, before any process starts
        return PoolVectorEnv(cfg, num_envs, seed, RetroGame)
    if (cfg.num_workers or 1) > 1:
        return PoolVectorEnv(_entry(cfg), num_envs, seed, GymnasiumGame)
    return LocalVectorEnv(_entry(cfg), num_envs, seed, GymnasiumGame)


def make_solo(cfg: EnvConfig) -> SoloGame:
    """One game in this process, for one episode after the other; `cfg.max_episode_steps` is the caller's to keep.

    Only one retro game may be open in a process at a time. Raises `UserError` where the game cannot be played here.
    """
    if cfg.kind == "procgen":
        return ProcgenGame(cfg)
    if cfg.kind == "retro":
        return RetroGame(cfg)
    if cfg.kind in ("gymnasium", "fake"):
        return GymnasiumGame(_entry(cfg))
    if cfg.kind == "ale" and not cfg.options:
        return ale.AleGame(cfg)
    return VectorSolo(make(replace(cfg, max_episode_steps=None, num_workers=1), 1, seed=0))


@dataclass(frozen=True)
class GameFacts:
    """What is known of a game before it is played."""

    game: str
    console: str
    action_names: tuple[str, ...]
    tags: tuple[str, ...] = ()
    """What is to be stored of it: its view, motion and genre, where they are known."""


def describe(cfg: EnvConfig) -> GameFacts:
    """The game's name, console and actions, without starting anything that lasts.

    Raises `UserError` where the game cannot be played here: no such game, no ROM, a wrong ROM, a package not
    installed.
    """
    if cfg.kind == "procgen":
        return GameFacts(cfg.game, "Procgen", check_game(cfg))
    if cfg.kind == "ale":
        rom, action_names = ale.check_game(cfg)
        return GameFacts(rom, "Atari2600", action_names)
    if cfg.kind == "retro":
        game = resolve(cfg)
        return GameFacts(game, game.rsplit("-", 1)[1], cfg.action_names or CANONICAL)
    game_env = GymnasiumGame(_entry(cfg))
    game_env.begin(Start(cfg.start_level, 0))  # what cannot be drawn shows at the first frame
    game_env.close()
    return GameFacts(game_env.name, game_env.console, game_env.action_names)


def suggested_num_envs(cfg: EnvConfig) -> int:
    """How many environments of this kind play fastest here: a fixed number natively, else one per worker."""
    if cfg.kind in ("procgen", "ale"):
        return _NATIVE_ENVS
    if cfg.kind == "retro":
        return cfg.num_workers or len(os.sched_getaffinity(0))
    workers = cfg.num_workers or 1
    return workers if workers > 1 else _LOCAL_ENVS


def _entry(cfg: EnvConfig) -> EnvConfig:
    return replace(cfg, game=_FAKE, options={"name": cfg.game, **cfg.options}) if cfg.kind == "fake" else cfg
