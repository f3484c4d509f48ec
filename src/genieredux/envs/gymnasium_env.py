"""Any Gymnasium environment with discrete actions, seen through RGB frames.

A game is named by a registered id (`CartPole-v1`, or `module:Id-v0` to import the module that registers it)
or by an entry point (`package.module:Class`). It knows no particular game.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from genieredux.envs import actions as names
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import transform
from genieredux.envs.vector import Start
from genieredux.errors import UserError


class GymnasiumGame:
    """One Gymnasium environment; `cfg.options` go to its constructor.

    Frames are its observations where these are RGB pictures, uint8 (H, W, 3), else `render()` in the mode
    `rgb_array`. A start's seed is the episode's reset seed; its instance is passed as the reset option
    `level`, but only to games that say `takes_level = True`.
    """

    def __init__(self, cfg: EnvConfig) -> None:
        self._env = _construct(cfg)
        space = self._env.observation_space
        self._draws = not (
            isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) == 3 and space.shape[2] == 3
        )
        if self._draws and self._env.render_mode != "rgb_array":
            raise UserError(f"{cfg.game}: neither its observations nor render_mode='rgb_array' give RGB frames")
        base: Any = self._env.unwrapped
        known = _action_names(base, cfg.game)
        self.action_names = cfg.action_names or known
        self._ids = names.select(self.action_names, known, cfg.game)
        self.name = str(getattr(base, "game", cfg.game))
        self.console = str(getattr(base, "console", "Gymnasium"))
        self._takes_level = bool(getattr(base, "takes_level", False))
        self._skip, self._size = cfg.skip, cfg.image_size

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
        """Reset with the start's seed (folded to 32 bits, which is all that some environments take)."""
        options = {"level": start.instance} if self._takes_level else None
        obs, info = self._env.reset(seed=start.seed % 2**32, options=options)
        return self._frame(obs), info

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, Mapping[str, Any]]:
        """Repeat the action for `frame_skip` steps, or until the episode ends."""
        total = 0.0
        for _ in range(self._skip):
            obs, reward, terminated, truncated, info = self._env.step(self._ids[action])
            total += float(reward)
            if terminated or truncated:
                break
        return self._frame(obs), total, terminated, truncated, info

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _frame(self, obs: Any) -> NDArray[np.uint8]:
        picture: Any = self._env.render() if self._draws else obs
        return transform(np.asarray(picture, dtype=np.uint8), self._size)


def _construct(cfg: EnvConfig) -> "gymnasium.Env[Any, Any]":
    """Raises `UserError` where no such environment can be made."""
    module, _, attribute = cfg.game.partition(":")
    try:
        if attribute and "-v" not in attribute:
            maker = getattr(importlib.import_module(module), attribute)
            env = maker(**{"render_mode": "rgb_array", **cfg.options})
        else:
            env = gymnasium.make(cfg.game, **{"render_mode": "rgb_array", "disable_env_checker": True, **cfg.options})
    except (ImportError, AttributeError, TypeError, gymnasium.error.Error) as error:
        raise UserError(f"Gymnasium game '{cfg.game}' cannot be made: {error}") from error
    if not isinstance(env.action_space, Discrete):
        raise UserError(f"Gymnasium game '{cfg.game}': only discrete actions can be played, it has {env.action_space}")
    return env


def _action_names(base: Any, game: str) -> tuple[str, ...]:
    """Names by action id: the environment's `action_names`, else the Atari library's meanings, else ACTION_0
    and so on.
    """
    if base.action_space.start != 0:
        raise UserError(f"Gymnasium game '{game}': its actions start at {base.action_space.start}, not at 0")
    if hasattr(base, "action_names"):
        return tuple(base.action_names)
    if hasattr(base, "get_action_meanings"):
        return tuple(base.get_action_meanings())
    return tuple(f"ACTION_{k}" for k in range(int(base.action_space.n)))
