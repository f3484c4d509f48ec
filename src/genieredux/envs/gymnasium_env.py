"""Any Gymnasium environment with discrete actions, seen through RGB frames, and games written like one.

A game is named by a registered id (`CartPole-v1`, or `module:Id-v0` to import the module that registers it)
or by an entry point (`package.module:Class`). Modules are also looked for where the command is run. What a game's own
code gets wrong is a `UserError` that names the cause, the file and the line. It knows no particular game.
"""

import inspect
import logging
import math
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from genieredux import own_code
from genieredux.envs import actions as names
from genieredux.envs.adapters import Adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.frame import Frame, transform
from genieredux.envs.game import GameFacts, Start
from genieredux.envs.pictures import as_rgb, is_rgb, picture_in
from genieredux.errors import UserError

log = logging.getLogger(__name__)

MOST_ACTIONS = 4096
"""More are no list of actions that anybody chooses from."""


class GymnasiumGame:
    """One Gymnasium environment, or an object with `reset`, `step` and a Discrete `action_space` that keeps the API of
    now or of the old Gym; `cfg.options` go to its constructor.

    Frames are its observations where these are RGB pictures, uint8 (H, W, 3), else what it renders, else whatever of
    its observations can be made a picture (`envs.pictures`). A start's seed is the episode's reset seed; its instance
    is passed as the reset option `level`, but only to games that say `takes_level = True`. A game may also say its
    `action_names`, its `game` (the name to store) and its `console`.
    """

    def __init__(self, cfg: EnvConfig) -> None:
        self._called = f"Gymnasium game '{cfg.game}'"
        self._env = _construct(cfg, self._called)
        first, known = _actions(self._env, self._called)
        self.action_names = cfg.action_names or known
        self._ids = [first + index for index in names.select(self.action_names, known, cfg.game)]
        self.name = _text(self._env, "game", cfg.game)
        self.console = _text(self._env, "console", "Gymnasium")
        self._takes_level = _declared(self._env, "takes_level") is True
        self._skip, self._size = cfg.skip, cfg.image_size
        self._reset_takes = _parameters(self._env.reset)
        self._old_render = "mode" in _parameters(getattr(self._env, "render", None))
        self._draws: bool | None = False if is_rgb(_picture_space(self._env)) else None
        if not self._takes_seed() and not hasattr(self._env, "seed"):
            log.warning("%s: its reset takes no seed, so the same seed may not give the same episodes", self._called)

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Reset with the start's seed (folded to 32 bits, which is all that some environments take).

        Raises `UserError` where the game shows no RGB frame, or its own code fails.
        """
        seed = start.seed % 2**32
        arguments: dict[str, Any] = {"seed": seed} if self._takes_seed() else {}
        if "options" in self._reset_takes:
            arguments["options"] = {"level": start.instance} if self._takes_level else None
        with own_code.blamed(f"{self._called}: its reset failed"):
            if not arguments.keys() & {"seed"} and hasattr(self._env, "seed"):
                self._env.seed(seed)
            answer = self._env.reset(**arguments)
        new_api = isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[1], Mapping)
        obs, info = answer if new_api else (answer, {})
        if self._draws is None:
            self._draws = self._can_draw() or picture_in(obs) is None
        return self._frame(obs), info

    def step(self, action: int) -> tuple[Frame, float, bool, bool, Mapping[str, Any]]:
        """Repeat the action for `frame_skip` steps, or until the episode ends. Raises `UserError` as `begin` does."""
        total = 0.0
        for _ in range(self._skip):
            with own_code.blamed(f"{self._called}: its step failed"):
                answer = self._env.step(self._ids[action])
            obs, reward, terminated, truncated, info = self._five(answer)
            total += self._number(reward)
            if terminated or truncated:
                break
        return self._frame(obs), total, terminated, truncated, info

    def close(self) -> None:
        """Close the environment, where it can be."""
        if callable(close := getattr(self._env, "close", None)):
            with own_code.blamed(f"{self._called}: its close failed"):
                close()

    def _takes_seed(self) -> bool:
        return "seed" in self._reset_takes

    def _can_draw(self) -> bool:
        """Whether it has a render of its own that may return pictures, also where it does not say its mode."""
        inside = getattr(self._env, "unwrapped", self._env)
        if not callable(getattr(inside, "render", None)) or type(inside).render is gymnasium.Env.render:
            return False
        return getattr(self._env, "render_mode", None) in (None, "rgb_array", "rgb_array_list")

    def _five(self, answer: Any) -> tuple[Any, Any, bool, bool, Mapping[str, Any]]:
        """What step answered in the API of now; of the old one, `TimeLimit.truncated` says which end it was."""
        if not isinstance(answer, tuple) or len(answer) not in (4, 5):
            shown = f"a tuple of {len(answer)}" if isinstance(answer, tuple) else type(answer).__name__
            raise UserError(
                f"{self._called}: step must give observation, reward, terminated, truncated, info; it gives {shown}"
            )
        info = answer[-1] if isinstance(answer[-1], Mapping) else {}
        if len(answer) == 5:
            return answer[0], answer[1], bool(np.all(answer[2])), bool(np.all(answer[3])), info
        cut = bool(info.get("TimeLimit.truncated", False))
        return answer[0], answer[1], bool(answer[2]) and not cut, bool(answer[2]) and cut, info

    def _number(self, reward: Any) -> float:
        try:
            value = float(reward.item() if isinstance(reward, np.ndarray) else reward)
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"{self._called}: a reward must be a finite number; its step gives {reward!r:.80}")
        return value

    def _frame(self, obs: Any) -> Frame:
        if not self._draws:
            picture = picture_in(obs)
            self.native = as_rgb(obs if picture is None else picture, self._called)
            return transform(self.native, self._size)
        picture = None
        if self._can_draw():
            with own_code.blamed(f"{self._called}: its render failed"):
                picture = self._env.render(mode="rgb_array") if self._old_render else self._env.render()
        if isinstance(picture, list) and picture:  # of the render mode rgb_array_list
            picture = picture[-1]
        if picture is None:
            raise UserError(
                f"{self._called}: neither its observations nor render_mode='rgb_array' give RGB frames, uint8 "
                f"(H, W, 3); its observations are {_told(obs)}, and render gives nothing"
            )
        self.native = as_rgb(picture, f"{self._called}: render")
        return transform(self.native, self._size)


def describe(cfg: EnvConfig) -> GameFacts:
    """The game's name, console and actions; plays its first frame and one step, so that what fails shows at once."""
    game = GymnasiumGame(cfg)
    game.begin(Start(cfg.start_level, 0))
    game.step(0)
    game.close()
    return GameFacts(game.name, game.console, game.action_names)


def _construct(cfg: EnvConfig, called: str) -> Any:
    _, _, attribute = cfg.game.partition(":")
    if attribute and "-v" not in attribute:
        maker = own_code.load(cfg.game, "Gymnasium game")
        drawing: dict[str, Any] = {"render_mode": "rgb_array"} if _takes_render_mode(maker) else {}
    else:
        module = cfg.game.partition(":")[0]
        if attribute:
            own_code.load(module, "Gymnasium game")
        maker, drawing = gymnasium.make, {"render_mode": "rgb_array", "disable_env_checker": True, "id": cfg.game}
    with own_code.blamed(f"{called} cannot be made"):
        env = maker(**{**drawing, **cfg.options})
    if not all(callable(getattr(env, name, None)) for name in ("reset", "step")):
        raise UserError(f"{called} is no gymnasium.Env but {type(env).__name__}")
    return env


def _actions(env: Any, called: str) -> tuple[int, tuple[str, ...]]:
    """The first action's id, and names in the order of the ids: the environment's `action_names`, else the Atari
    library's meanings, else ACTION_0 and so on.
    """
    space = getattr(env, "action_space", None)
    is_count = isinstance(space, int) and not isinstance(space, bool)
    if not is_count and type(space).__name__ != "Discrete":
        raise UserError(
            f"{called}: only discrete actions can be played, it has {space}; give it "
            "to a gymnasium.ActionWrapper whose action_space is Discrete, and name that: module:function"
        )
    count = int(space if is_count else space.n)  # type: ignore[arg-type, union-attr]
    if not 1 <= count <= MOST_ACTIONS:
        raise UserError(f"{called}: its action_space has {count} actions; 1 to {MOST_ACTIONS} can be played")
    known = _declared(env, "action_names")
    if known is None and callable(meanings := _declared(env, "get_action_meanings")):
        known = meanings()
    named = isinstance(known, tuple | list) and all(isinstance(name, str) for name in known)
    first = int(getattr(space, "start", 0))
    return first, tuple(known) if named and len(set(known)) == count else tuple(f"ACTION_{k}" for k in range(count))


def _picture_space(env: Any) -> Any:
    """The declared space of its pictures, where it has one; of a mapping the only one that is a picture."""
    space = getattr(env, "observation_space", None)
    if isinstance(space, Dict):
        pictures = [one for one in space.spaces.values() if is_rgb(one)]
        return pictures[0] if len(pictures) == 1 else None
    return space if isinstance(space, Box) or not isinstance(space, gymnasium.Space) else None


def _takes_render_mode(maker: Any) -> bool:
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.name == "render_mode" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def _parameters(function: Any) -> set[str]:
    """The names of a method's parameters; one that swallows all keywords takes those of the API."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set()
    taken = {one.name for one in parameters}
    return taken | ({"seed", "options"} if any(one.kind is one.VAR_KEYWORD for one in parameters) else set())


def _declared(env: Any, attribute: str) -> Any:
    """What the environment, or a wrapper around it, says of itself; None where it says nothing."""
    if not isinstance(env, gymnasium.Env):
        return getattr(env, attribute, None)
    return env.get_wrapper_attr(attribute) if env.has_wrapper_attr(attribute) else None


def _text(env: Any, attribute: str, otherwise: str) -> str:
    """A name that the environment may declare; another thing called so is none of our business."""
    value = _declared(env, attribute)
    return value if isinstance(value, str) and value else otherwise


def _told(obs: Any) -> str:
    """An observation, for an error."""
    if isinstance(obs, Mapping):
        return "a mapping with " + ", ".join(f"{key}: {_told(value)}" for key, value in list(obs.items())[:6])
    return f"{obs.dtype} {obs.shape}" if isinstance(obs, np.ndarray) else type(obs).__name__


ADAPTER = Adapter(describe, GymnasiumGame)
