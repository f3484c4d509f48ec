"""The real game beside a dream: the same beginning, the same actions. Knows games by their vector contract.

It lives in the thread of its player; a game that needs a process of its own gets one (`envs.make`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genieredux.envs import EnvConfig, Start, make
from genieredux.envs.game import Frame
from genieredux.policies import NO_ACTION


@dataclass(frozen=True)
class Moment:
    """What the game shows. frame: uint8 (S, S, 3). reward: of the last action. ended: nothing more happens."""

    frame: Frame
    reward: float = 0.0
    score: float = 0.0
    ended: bool = False
    action: int = NO_ACTION


class RealGame:
    """One level of one game, which can be gone back in: everything before is played again."""

    def __init__(self, config: EnvConfig) -> None:
        """Raises UserError where the game cannot be played here."""
        self._env = make(config, 1, 0)
        self.name, self.console = self._env.game, self._env.console
        self.level = 0
        self._begun: tuple[int, int, Sequence[int]] = (0, 0, ())
        self.now = Moment(np.zeros((config.image_size, config.image_size, 3), np.uint8))
        self._done: list[int] = []

    def begin(self, level: int, seed: int | None = None, before: Sequence[int] = ()) -> Moment:
        """The first frame of a level, or what some actions lead to from there. seed: of the episode, for games that
        have one; None: the level's number."""
        seed = level if seed is None else seed
        self.level, self._done, self._begun = level, [], (level, seed, before)
        self._env.assign(0, Start(level, seed))
        frames, _ = self._env.reset()
        self._env.assign(0, Start(level, seed))
        self.now = Moment(frames[0].copy())
        for action in before:
            self.step(int(action))
        self._done = []
        return self.now

    def step(self, action: int) -> Moment:
        """Take an action; once the game has ended, nothing happens."""
        self._done.append(action)
        if self.now.ended:
            return self.now
        frames, rewards, terminated, truncated, info = self._env.step(np.array([action], np.int64))
        ended = bool(terminated[0] or truncated[0])
        frame = frames[0]
        if ended:
            shown = info.get("_final_obs")
            frame = info["final_obs"][0] if shown is not None and shown[0] else self.now.frame
        reward = float(rewards[0])
        self.now = Moment(np.array(frame), reward, self.now.score + reward, ended, action)
        return self.now

    def back_to(self, number: int) -> Moment:
        """The frame after the first `number` actions."""
        done: Sequence[int] = self._done[:number]
        self.begin(*self._begun)
        for action in done:
            self.step(action)
        return self.now

    def close(self) -> None:
        """End the game."""
        self._env.close()
