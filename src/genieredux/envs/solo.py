"""One game, one episode at a time, in this process: what a worker that plays by itself holds.

Many libraries only offer vectors; `VectorSolo` makes a single game of any vector environment. It knows no particular
game.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genieredux.envs.vector import GameVectorEnv, Start

Frame = NDArray[np.uint8]


class SoloGame(Protocol):
    """A single game. Frames are uint8 (S, S, 3) and the game's own until its next call. Nobody caps its episodes."""

    name: str
    console: str
    action_names: tuple[str, ...]

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Begin an episode: its first frame and info."""

    def step(self, action: int) -> tuple[Frame | None, float, bool, bool, Mapping[str, Any]]:
        """Take one action: frame (None where the episode ended and its last frame is not shown), reward, terminated,
        truncated, info.
        """

    def close(self) -> None:
        """Free what the game holds; harmless twice."""


class VectorSolo:
    """A vector environment of one, whose episodes nobody caps, as a `SoloGame`."""

    def __init__(self, env: GameVectorEnv) -> None:
        self._env = env
        self.name, self.console, self.action_names = env.game, env.console, env.action_names

    def begin(self, start: Start) -> tuple[Frame, Mapping[str, Any]]:
        """Reset to the start."""
        self._env.assign(0, start)
        frames, info = self._env.reset()
        return frames[0], _first(info)

    def step(self, action: int) -> tuple[Frame | None, float, bool, bool, Mapping[str, Any]]:
        """One step; what the vector has begun by itself after an episode's end is not looked at."""
        frames, rewards, terminated, truncated, info = self._env.step(np.array([action]))
        frame: Frame | None = frames[0]
        truth = _first(info)
        if terminated[0] or truncated[0]:
            shown = "_final_obs" in info and info["_final_obs"][0]
            frame, truth = (info["final_obs"][0], _first(info["final_info"])) if shown else (None, {})
        return frame, float(rewards[0]), bool(terminated[0]), bool(truncated[0]), truth

    def close(self) -> None:
        """Close the vector."""
        self._env.close()


def _first(info: Mapping[str, Any]) -> dict[str, Any]:
    flags = ("broken", "final_obs", "final_info")
    return {key: values[0] for key, values in info.items() if key not in flags and not key.startswith("_")}
