"""From a configuration to a playing environment, single or vector."""

from genieredux.checking import at_least
from genieredux.envs.adapters import adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.game import Game, GameFacts
from genieredux.envs.pool import LaneVectorEnv
from genieredux.envs.vector import GameVectorEnv
from genieredux.runs.environment import cores

_ENVS_A_CORE = 8  # enough to hide what asking costs; more wastes play at the end of a collection


def make(cfg: EnvConfig, num_envs: int, seed: int) -> GameVectorEnv:
    """`num_envs` environments of one game, not yet reset; `seed` draws the levels and seeds that nobody assigns.

    Raises `UserError` where the game cannot be played here.
    """
    at_least("num_envs", num_envs, 1)
    if adapter(cfg.kind).processes != "here":
        describe(cfg)  # fail here, in one line, before any process starts
    return LaneVectorEnv(cfg, num_envs, seed, _processes(cfg, num_envs))


def make_solo(cfg: EnvConfig) -> Game:
    """One game in this process, for one episode after the other; `cfg.max_episode_steps` is the caller's to keep.

    Only one retro game may be open in a process at a time. Raises `UserError` where the game cannot be played here.
    """
    return adapter(cfg.kind).open(cfg)


def describe(cfg: EnvConfig) -> GameFacts:
    """The game's name, console and actions, without starting anything that lasts. Raises `UserError` where the game
    cannot be played here.
    """
    return adapter(cfg.kind).describe(cfg)


def suggested_num_envs(cfg: EnvConfig) -> int:
    """How many environments of this kind play fastest here."""
    match adapter(cfg.kind).processes:
        case "each":
            return _workers(cfg)
        case "cores":
            return _ENVS_A_CORE * _workers(cfg)
    return _ENVS_A_CORE if (cfg.num_workers or 1) == 1 else _workers(cfg)


def _processes(cfg: EnvConfig, num_envs: int) -> int:
    """Child processes for so many environments; 0 = they play in this one."""
    kind = adapter(cfg.kind).processes
    if kind == "each":
        return num_envs
    workers = min(_workers(cfg) if kind == "cores" else cfg.num_workers or 1, num_envs)
    return workers if workers > 1 else 0


def _workers(cfg: EnvConfig) -> int:
    return cfg.num_workers or cores()
