"""Any Gymnasium environment with discrete actions, seen through RGB frames.

A game is named by a registered id (`CartPole-v1`, or `module:Id-v0` to import the module that registers it)
or by an entry point (`package.module:Class`). Modules are also looked for where the command is run. It knows no
particular game.
"""

import importlib
import inspect
import os
import sys
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

_SMALLEST_PICTURE = 16
"""Observations with shorter sides are no pictures but, say, the cells of a grid."""


class GymnasiumGame:
    """One Gymnasium environment; `cfg.options` go to its constructor.

    Frames are its observations where these are RGB pictures, uint8 (H, W, 3), else `render()` in the mode
    `rgb_array`. A start's seed is the episode's reset seed; its instance is passed as the reset option
    `level`, but only to games that say `takes_level = True`. A game may also say its `action_names`, its `game`
    (the name to store) and its `console`.
    """

    def __init__(self, cfg: EnvConfig) -> None:
        self._env = _construct(cfg)
        self._given = cfg.game
        self._draws = not _is_picture(self._env.observation_space)
        if self._draws and self._env.render_mode != "rgb_array":
            raise UserError(f"{cfg.game}: neither its observations nor render_mode='rgb_array' give RGB frames")
        space: Any = self._env.action_space
        known = _action_names(self._env, space)
        self.action_names = cfg.action_names or known
        self._ids = [int(space.start) + index for index in names.select(self.action_names, known, cfg.game)]
        self.name = _text(self._env, "game", cfg.game)
        self.console = _text(self._env, "console", "Gymnasium")
        self._takes_level = _declared(self._env, "takes_level") is True
        self._skip, self._size = cfg.skip, cfg.image_size

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
        """Reset with the start's seed (folded to 32 bits, which is all that some environments take).

        Raises `UserError` where the game shows no RGB frame, or needs a package to draw it.
        """
        options = {"level": start.instance} if self._takes_level else None
        try:
            obs, info = self._env.reset(seed=start.seed % 2**32, options=options)
            return self._frame(obs), info
        except gymnasium.error.DependencyNotInstalled as error:
            raise UserError(f"Gymnasium game '{self._given}': {error}") from error

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
        picture = self._env.render() if self._draws else obs
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            shown = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
            raise UserError(f"Gymnasium game '{self._given}': a frame must be RGB, uint8 (H, W, 3); it gives {shown}")
        return transform(picture, self._size)


def _is_picture(space: Any) -> bool:
    return (
        isinstance(space, Box)
        and space.dtype == np.uint8
        and len(space.shape) == 3
        and space.shape[2] == 3
        and min(space.shape[:2]) >= _SMALLEST_PICTURE
    )


def _construct(cfg: EnvConfig) -> gymnasium.Env[Any, Any]:
    if os.getcwd() not in sys.path:  # an installed program does not look where it is run
        sys.path.append(os.getcwd())
    module, _, attribute = cfg.game.partition(":")
    try:
        if attribute and "-v" not in attribute:
            maker = getattr(importlib.import_module(module), attribute)
            drawing = {"render_mode": "rgb_array"} if _takes_render_mode(maker) else {}
            env = maker(**{**drawing, **cfg.options})
        else:
            env = gymnasium.make(cfg.game, **{"render_mode": "rgb_array", "disable_env_checker": True, **cfg.options})
    except (ImportError, AttributeError, TypeError, gymnasium.error.Error) as error:
        raise UserError(f"Gymnasium game '{cfg.game}' cannot be made: {error}") from error
    if not isinstance(env, gymnasium.Env):
        raise UserError(f"Gymnasium game '{cfg.game}' is no gymnasium.Env but {type(env).__name__}")
    if not isinstance(env.action_space, Discrete):
        raise UserError(
            f"Gymnasium game '{cfg.game}': only discrete actions can be played, it has {env.action_space}; give it "
            "to a gymnasium.ActionWrapper whose action_space is Discrete, and name that: module:function"
        )
    return env


def _takes_render_mode(maker: Any) -> bool:
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.name == "render_mode" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _action_names(env: gymnasium.Env[Any, Any], space: Discrete[Any]) -> tuple[str, ...]:
    """Names in the order of the action ids: the environment's `action_names`, else the Atari library's meanings,
    else ACTION_0 and so on.
    """
    known = _declared(env, "action_names")
    if known is None and callable(meanings := _declared(env, "get_action_meanings")):
        known = meanings()
    if isinstance(known, tuple | list) and len(set(known)) == space.n and all(isinstance(name, str) for name in known):
        return tuple(known)
    return tuple(f"ACTION_{k}" for k in range(int(space.n)))


def _declared(env: gymnasium.Env[Any, Any], attribute: str) -> Any:
    """What the environment, or a wrapper around it, says of itself; None where it says nothing."""
    return env.get_wrapper_attr(attribute) if env.has_wrapper_attr(attribute) else None


def _text(env: gymnasium.Env[Any, Any], attribute: str, otherwise: str) -> str:
    """A name that the environment may declare; another thing called so is none of our business."""
    value = _declared(env, attribute)
    return value if isinstance(value, str) and value else otherwise
