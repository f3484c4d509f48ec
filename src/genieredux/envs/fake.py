"""A small scrolling platformer that ships with the package: the stand-in for a real game.

Runs, gaps, steps and coins, drawn from the level number; deterministic; tens of thousands of frames a second.
Every action is visible: RIGHT and LEFT run, ACTION_JUMP leaps, UP stretches and glides, DOWN ducks. It is a
Gymnasium environment. For tests of what happens when an emulator misbehaves it can be told to (`Fault`).
"""

import fcntl
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from genieredux.envs import gymnasium_env
from genieredux.envs.actions import CANONICAL
from genieredux.envs.adapters import Adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.game import Game, GameFacts

SIZE = 64
"""Side of the native frame, in pixels."""
TILE = 4
COLUMNS = 96
"""Length of a level, in tiles."""

_GRAVITY, _LEAP, _SPEED, _DRIFT = 0.5, -4.0, 2.0, 1.0
_FALL, _GLIDE = 4.0, 0.5  # the fastest it falls, and the fastest it falls with UP
_PLAYER_WIDTH, _PLAYER_HEIGHT = 4, 8
_COIN_REWARD, _GOAL_REWARD = 1.0, 10.0
_CHECKER = (np.indices((SIZE, COLUMNS * TILE)) // 8).sum(0) % 2


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a fake game, and when: as a crashing emulator, a hanging one, a broken library."""

    game: str = "Fake"
    """The game that has it."""
    what: str = "crash"
    """`crash` (a segmentation fault), `kill` (as the system kills when memory is short), `hang`, or `raise`."""
    level: int | None = None
    """The level where it happens; None = in every one."""
    step: int = 5
    """The step at which it happens."""
    file: str | None = None
    """A file that holds how often it is still to happen; None = always."""

    def strike(self, level: int, step: int) -> None:
        """Make it happen if it is time."""
        if step != self.step or (self.level is not None and level != self.level) or not self._is_left():
            return
        if self.what == "raise":
            raise RuntimeError("the fake game was told to fail")
        if self.what == "hang":
            time.sleep(3600)
        os.kill(os.getpid(), {"crash": signal.SIGSEGV, "kill": signal.SIGKILL}[self.what])

    def _is_left(self) -> bool:
        if self.file is None:
            return True
        with open(self.file, "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # the games of several processes count down the same file
            left = int(file.read())
            file.seek(0)
            file.truncate()
            file.write(str(max(left - 1, 0)))
        return left > 0


class FakeGame(gymnasium.Env[NDArray[np.uint8], np.int64]):
    """The game. Observations uint8 (64, 64, 3); info: x, y (its top left, pixels), score (coins).

    Under another `name` it counts as another game. faults: what is to go wrong, as keywords of `Fault`.
    """

    console = "Fake"
    action_names = CANONICAL
    takes_level = True

    def __init__(
        self, render_mode: str | None = None, name: str = "Fake", faults: tuple[Mapping[str, Any], ...] = ()
    ) -> None:
        self.game = name
        self._faults = [fault for fault in (Fault(**values) for values in faults) if fault.game == name]
        self._steps = 0
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
        self.render_mode = render_mode
        self.observation_space = Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.action_space = Discrete(len(CANONICAL))
        self._level = -1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin at the left end of level `options["level"]`, or of one drawn with `seed`."""
        super().reset(seed=seed)
        level = (options or {}).get("level")
        self._build(int(self.np_random.integers(2**31)) if level is None else int(level))
        self._x, self._y = 2.0 * TILE, float(self._floor[2] - _PLAYER_HEIGHT)
        self._fall, self._height, self._score = 0.0, _PLAYER_HEIGHT, 0
        self._coins = self._coins_at_start.copy()
        self._grounded, self._facing = True, 1
        self._steps = 0
        return self._draw(), self._info()

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Take one action; the episode terminates in a gap or at the right end, and never truncates by
        itself.
        """
        self._steps += 1
        for fault in self._faults:
            fault.strike(self._level, self._steps)
        name = CANONICAL[int(action)]
        self._height = _PLAYER_HEIGHT + {"DOWN": -4, "UP": 2}.get(name, 0)
        if name == "ACTION_JUMP" and self._grounded:
            self._fall = _LEAP
        drift = 0.0 if self._grounded else _DRIFT * self._facing
        self._run({"RIGHT": _SPEED, "LEFT": -_SPEED}.get(name, drift))
        self._drop(fastest=_GLIDE if name == "UP" else _FALL)
        reward = self._take_coins()
        fell, arrived = self._y >= SIZE, self._x >= (COLUMNS - 3) * TILE
        return self._draw(), reward + _GOAL_REWARD * arrived, bool(fell or arrived), False, self._info()

    def render(self) -> NDArray[np.uint8]:
        """The frame now on the screen, uint8 (64, 64, 3)."""
        return self._draw()

    def _build(self, level: int) -> None:
        """The level's floor (pixels from the top, by column; SIZE = a gap), its coins and its picture."""
        if level == self._level:
            return
        rng = np.random.default_rng((level, 0x6E1E))
        self._level = level
        heights = np.clip(11 + np.cumsum(rng.integers(-1, 2, COLUMNS) * (rng.random(COLUMNS) < 0.3)), 8, 13)
        gaps = (rng.random(COLUMNS) < 0.06) & (np.arange(COLUMNS) > 6) & (np.arange(COLUMNS) < COLUMNS - 6)
        self._floor = np.where(gaps, SIZE, heights * TILE)
        columns = np.flatnonzero((rng.random(COLUMNS) < 0.2) & ~gaps & (np.arange(COLUMNS) > 4))
        lift = rng.integers(1, 5, len(columns)) * TILE
        self._coins_at_start = np.stack([columns * TILE, self._floor[columns] - TILE - lift], axis=1)
        sky, ground = rng.integers(90, 200, 3), rng.integers(20, 120, 3)
        picture = np.where(_CHECKER[..., None], sky, sky - 25).astype(np.uint8)
        by_pixel = np.repeat(self._floor, TILE)
        below = np.arange(SIZE)[:, None] >= by_pixel
        picture[below] = ground
        picture[below & (np.arange(SIZE)[:, None] < by_pixel + 2)] = np.minimum(ground + 100, 255)
        self._picture = picture

    def _run(self, distance: float) -> None:
        if distance:
            self._facing = 1 if distance > 0 else -1
        target = min(max(self._x + distance, 0.0), float(COLUMNS * TILE - _PLAYER_WIDTH))
        if self._floor_under(target) >= self._y + _PLAYER_HEIGHT - TILE:  # it climbs one tile, and no wall
            self._x = target

    def _drop(self, fastest: float) -> None:
        self._fall = min(self._fall + _GRAVITY, fastest)
        feet = self._y + self._fall + _PLAYER_HEIGHT
        floor = self._floor_under(self._x)
        self._grounded = feet >= floor < SIZE and self._fall >= 0 and self._y + _PLAYER_HEIGHT <= floor + TILE
        if self._grounded:
            feet, self._fall = float(floor), 0.0
        self._y = max(feet - _PLAYER_HEIGHT, 0.0)

    def _floor_under(self, x: float) -> int:
        """The highest floor under the player's width at `x`."""
        return int(self._floor[int(x) // TILE : (int(x) + _PLAYER_WIDTH - 1) // TILE + 1].min())

    def _take_coins(self) -> float:
        if not len(self._coins):
            return 0.0
        near = (np.abs(self._coins[:, 0] - self._x) < TILE) & (self._coins[:, 1] + TILE > self._y)
        near &= self._coins[:, 1] < self._y + _PLAYER_HEIGHT
        taken = int(near.sum())
        if taken:
            self._coins, self._score = self._coins[~near], self._score + taken
        return _COIN_REWARD * taken

    def _draw(self) -> NDArray[np.uint8]:
        camera = int(min(max(self._x - SIZE // 2, 0), COLUMNS * TILE - SIZE))
        frame = self._picture[:, camera : camera + SIZE].copy()
        for x, y in self._coins[(self._coins[:, 0] > camera - TILE) & (self._coins[:, 0] < camera + SIZE)]:
            frame[y : y + TILE - 1, max(x - camera, 0) : x - camera + TILE - 1] = (250, 220, 40)
        top, left = int(self._y) + _PLAYER_HEIGHT - self._height, int(self._x) - camera
        frame[top : top + self._height, left : left + _PLAYER_WIDTH] = (220, 40, 40)
        eye = left + (_PLAYER_WIDTH - 1 if self._facing > 0 else 0)
        frame[top + 1 : top + 2, eye : eye + 1] = 255
        return frame

    def _info(self) -> dict[str, Any]:
        return {"x": self._x, "y": self._y, "score": self._score}


def _as_gymnasium(cfg: EnvConfig) -> EnvConfig:
    entry = f"{__name__}:{FakeGame.__name__}"
    return replace(cfg, kind="gymnasium", game=entry, options={"name": cfg.game, **cfg.options})


def _open(cfg: EnvConfig) -> Game:
    return gymnasium_env.GymnasiumGame(_as_gymnasium(cfg))


def _describe(cfg: EnvConfig) -> GameFacts:
    return gymnasium_env.describe(_as_gymnasium(cfg))


ADAPTER = Adapter(_describe, _open)
