"""One game in one lane, and a vector of such lanes in this process.

A lane turns a single-game `gymnasium.Env` into the same-step-autoreset contract: it writes its frames into
memory that it is given, so a lane works alike in this process and in a worker (envs/pool.py). It knows no
particular game.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from genieredux.envs.config import EnvConfig
from genieredux.envs.vector import GameVectorEnv, Start

Numbers = dict[str, float]


class Game(Protocol):
    """A single game whose frames are already square: what `retro.py` and `gymnasium_env.py` build."""

    name: str
    console: str
    action_names: tuple[str, ...]

    def begin(self, start: Start) -> tuple[NDArray[np.uint8], Mapping[str, Any]]:
        """Begin an episode: its first frame (S, S, 3) and info."""

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, Mapping[str, Any]]:
        """Take one action: frame (S, S, 3), reward, terminated, truncated, info."""

    def close(self) -> None:
        """Free what the game holds; harmless twice."""


@dataclass
class LaneStep:
    """What one environment answers to one action. `info` belongs to the frame now shown, `final_info` to an
    episode's last.
    """

    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: Numbers = field(default_factory=dict)
    final_info: Numbers = field(default_factory=dict)
    broken: bool = False


def numbers(info: Mapping[str, Any]) -> Numbers:
    """The plain numbers in an info mapping; everything else is left out."""
    kept = {}
    for key, value in info.items():
        if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, bool | int | float):
            kept[key] = value
    return kept


class Lane:
    """One game, the cap on its episodes' length, and the same-step autoreset."""

    def __init__(self, game: Game, max_steps: int | None) -> None:
        self.game = game
        self._max_steps = max_steps
        self._steps = 0

    def begin(self, start: Start, frame_out: NDArray[np.uint8]) -> LaneStep:
        """Begin the episode `start`; its first frame goes to `frame_out` (S, S, 3)."""
        frame, info = self.game.begin(start)
        frame_out[...] = frame
        self._steps = 0
        return LaneStep(info=numbers(info))

    def step(
        self, action: int, upcoming: Start, frame_out: NDArray[np.uint8], final_out: NDArray[np.uint8]
    ) -> LaneStep:
        """Take `action`. At an end the last frame goes to `final_out` and `upcoming` begins at once."""
        frame, reward, terminated, truncated, info = self.game.step(action)
        self._steps += 1
        truncated = bool(truncated) or (not terminated and self._steps == self._max_steps)
        if not (terminated or truncated):
            frame_out[...] = frame
            return LaneStep(reward=float(reward), info=numbers(info))
        final_out[...] = frame
        first = self.begin(upcoming, frame_out)
        return LaneStep(float(reward), bool(terminated), truncated, first.info, numbers(info))


class LaneVectorEnv(GameVectorEnv):
    """A vector of lanes, wherever they run: subclasses move actions there and answers back."""

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int) -> None:
        super().__init__(cfg, num_envs, seed)
        shape = (num_envs, cfg.image_size, cfg.image_size, 3)
        self._frames: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self._finals: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self._answers = [LaneStep() for _ in range(num_envs)]

    @abstractmethod
    def _begin_lanes(self) -> list[LaneStep]:
        """Begin `self._upcoming` in every lane, frames into `self._frames`."""

    @abstractmethod
    def _step_lanes(self, actions: Sequence[int], lanes: Sequence[int]) -> list[LaneStep]:
        """Step those lanes only; frames into `self._frames`, last frames into `self._finals`."""

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode everywhere: assigned starts where there are any, else drawn ones."""
        self._prepare_reset(seed, options)
        self._answers = self._begin_lanes()
        for index in range(self.num_envs):
            self._begin(index)
        return self._frames.copy(), _gather([answer.info for answer in self._answers])

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action per environment, int (N,). Parked environments stay as they are."""
        lanes = [index for index in range(self.num_envs) if not self._parked[index]]
        for index in np.flatnonzero(self._parked):
            self._answers[index] = LaneStep(info=self._answers[index].info)
        taken = self._step_lanes([int(actions[index]) for index in lanes], lanes)
        for index, answer in zip(lanes, taken, strict=True):
            self._answers[index] = answer
            if (answer.terminated or answer.truncated) and not answer.broken:
                self._begin(index)
        answers = self._answers
        terminated = np.array([answer.terminated for answer in answers])
        truncated = np.array([answer.truncated for answer in answers])
        info = _gather([answer.info for answer in answers])
        info["broken"] = np.array([answer.broken for answer in answers])
        ended = (terminated | truncated) & ~info["broken"]
        if ended.any():
            info["final_obs"], info["_final_obs"] = self._finals.copy(), ended
            info["final_info"] = _gather([answer.final_info for answer in answers])
            info["_final_info"] = ended
        rewards = np.array([answer.reward for answer in answers], dtype=np.float64)
        return self._frames.copy(), rewards, terminated, truncated, info


class LocalVectorEnv(LaneVectorEnv):
    """Lanes in this process, one after the other: for light games that cannot take the process down with
    them.
    """

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int, build: Callable[[EnvConfig], Game]) -> None:
        super().__init__(cfg, num_envs, seed)
        self._lanes = [Lane(build(cfg), cfg.max_episode_steps) for _ in range(num_envs)]
        game = self._lanes[0].game
        self._declare(game.name, game.console, game.action_names)

    def _begin_lanes(self) -> list[LaneStep]:
        return [lane.begin(self._upcoming[i], self._frames[i]) for i, lane in enumerate(self._lanes)]

    def _step_lanes(self, actions: Sequence[int], lanes: Sequence[int]) -> list[LaneStep]:
        return [
            self._lanes[i].step(action, self._upcoming[i], self._frames[i], self._finals[i])
            for i, action in zip(lanes, actions, strict=True)
        ]

    def close_extras(self, **kwargs: Any) -> None:
        """Close every game."""
        for lane in self._lanes:
            lane.game.close()


def _gather(infos: Sequence[Numbers]) -> dict[str, Any]:
    """name -> array (N,); an environment that lacks a name has 0 there."""
    names = sorted({name for info in infos for name in info})
    return {name: np.array([info.get(name, 0) for info in infos]) for name in names}
