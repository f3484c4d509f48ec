"""The vector of environments: lanes in this process, or spread over child processes with their frames in shared memory.

Emulators demand processes (stable-retro: one game each), other games gain from them, and a game that crashes then takes
only its process down. A process that dies or hangs is replaced, and the episodes that were played in it begin anew,
flagged `broken`, so that whoever records can discard what he had. Knows no game.
"""

import logging
import mmap
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from genieredux.envs.actions import as_indices
from genieredux.envs.config import EnvConfig
from genieredux.envs.game import Frame, GameFacts, Numbers, Start
from genieredux.envs.lanes import Lanes, LaneStep
from genieredux.envs.vector import GameVectorEnv
from genieredux.errors import UserError
from genieredux.runs.workers import Child, Gone, serve

log = logging.getLogger(__name__)

STEP_SECONDS = 60.0
"""A process silent for this long during a step counts as dead."""
START_SECONDS = 180.0
"""Starting a process imports libraries and loads a ROM: on a busy machine that may take this long."""

Moves = Mapping[int, tuple[int, Start]]


class _Crew(Protocol):
    """Some of the environments, wherever they run: asked first, and listened to once all were asked."""

    indices: Sequence[int]
    facts: GameFacts

    def ask(self, what: str, of: Mapping[int, Any]) -> None:
        """`begin` with starts, or `step` with moves, of some of its environments."""

    def answers(self, seconds: float) -> dict[int, LaneStep]:
        """What was asked. Raises `Gone`."""

    def close(self) -> None:
        """End it."""


class _Here:
    """All environments in this process, one after the other."""

    def __init__(self, cfg: EnvConfig, indices: Sequence[int], frames: Frame, finals: Frame) -> None:
        self.indices = indices
        self._lanes = Lanes(cfg, indices, frames, finals)
        self.facts = self._lanes.facts
        self._asked: tuple[str, Mapping[int, Any]] = ("begin", {})

    def ask(self, what: str, of: Mapping[int, Any]) -> None:
        self._asked = what, of

    def answers(self, seconds: float) -> dict[int, LaneStep]:
        return _answer(self._lanes, *self._asked)

    def close(self) -> None:
        self._lanes.close()


class _There:
    """Some environments in a process of their own. `greet` waits until they are open."""

    def __init__(self, cfg: EnvConfig, indices: Sequence[int], memory: "_SharedFrames") -> None:
        self.indices, self._cfg = indices, cfg
        fd = memory.fd
        self.child = Child("genieredux.envs.pool:play", cfg, indices, fd, memory.shape, pass_fds=[fd])

    def greet(self) -> None:
        """Raises `UserError` where the game cannot be opened there."""
        try:
            self.facts: GameFacts = self._receive(START_SECONDS)
        except Gone as death:
            raise UserError(
                f"{self._cfg.kind} game '{self._cfg.game}': its process ended before the game began ({death}); "
                "its own output above may say why"
            ) from death

    def ask(self, what: str, of: Mapping[int, Any]) -> None:
        if of:
            self.child.send((what, of))
        self._owes = bool(of)

    def answers(self, seconds: float) -> dict[int, LaneStep]:
        return self._receive(seconds) if self._owes else {}

    def close(self) -> None:
        self.child.end(2.0)

    def _receive(self, seconds: float) -> Any:
        answer = self.child.receive(seconds)
        if isinstance(answer, UserError):
            raise answer
        return answer


class LaneVectorEnv(GameVectorEnv):
    """`num_envs` environments in `processes` child processes, or in this one where that is 0.

    Raises `UserError` where a process cannot start or the game not be opened.
    """

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int, processes: int) -> None:
        super().__init__(cfg, num_envs, seed)
        shape = (2, num_envs, cfg.image_size, cfg.image_size, 3)
        self._memory = _SharedFrames(shape) if processes else None
        self._frames, self._finals = self._memory.array if self._memory else np.zeros(shape, np.uint8)
        self._answers = [LaneStep() for _ in range(num_envs)]
        self._crews: list[_Crew] = []
        try:
            if self._memory is None:
                self._crews.append(_Here(cfg, range(num_envs), self._frames, self._finals))
            else:
                parts = np.array_split(np.arange(num_envs), processes)
                there = [_There(cfg, part.tolist(), self._memory) for part in parts]
                self._crews += there
                for crew in there:
                    crew.greet()
        except BaseException:
            self.close()
            raise
        facts = self._crews[0].facts
        self._declare(facts.game, facts.console, facts.action_names)

    @property
    def pids(self) -> tuple[int, ...]:
        """The child processes' ids; none where the environments are in this process."""
        return tuple(crew.child.pid for crew in self._crews if isinstance(crew, _There))

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode everywhere: assigned starts where there are any, else drawn ones."""
        self._prepare_reset(seed, options)
        for index, answer in self._ask("begin", dict(enumerate(self._upcoming))).items():
            self._answers[index] = replace(answer, truncated=False, broken=False)
            self._begin(index)
        return self._frames.copy(), _gather([answer.info for answer in self._answers])

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action per environment, int (N,). Parked environments stay as they are. Raises `UserError` for what is
        no action."""
        moves = as_indices(actions, self.num_envs, self.action_names)
        playing = np.flatnonzero(~self._parked).tolist()
        for index in np.flatnonzero(self._parked):
            self._answers[index] = LaneStep(info=self._answers[index].info)
        for index, answer in self._ask("step", {i: (int(moves[i]), self._upcoming[i]) for i in playing}).items():
            self._answers[index] = answer
            if (answer.terminated or answer.truncated) and not answer.broken:
                self._begin(index)
        answers = self._answers
        terminated = np.array([answer.terminated for answer in answers])
        truncated = np.array([answer.truncated for answer in answers])
        info = _gather([answer.info for answer in answers])
        info["broken"] = np.array([answer.broken for answer in answers])
        shown = np.array([answer.final_shown for answer in answers])
        if shown.any():
            info["final_obs"], info["_final_obs"] = self._finals.copy(), shown
            info["final_info"] = _gather([answer.final_info for answer in answers])
            info["_final_info"] = shown
        rewards = np.array([answer.reward for answer in answers], dtype=np.float64)
        return self._frames.copy(), rewards, terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """End every process, close every game."""
        for crew in self._crews:
            crew.close()
        self._crews = []

    def _ask(self, what: str, of: Mapping[int, Any]) -> dict[int, LaneStep]:
        """Ask all crews, then listen to all. Where a process has died, its environments begin their episodes anew."""
        for crew in self._crews:
            crew.ask(what, {index: of[index] for index in crew.indices if index in of})
        answers: dict[int, LaneStep] = {}
        for number, crew in enumerate(self._crews):
            try:
                answers |= crew.answers(STEP_SECONDS)
            except Gone as death:
                log.warning("%s, process %d died (%s): its episodes are played again", self.game, number, death)
                starts = {i: of[i] if what == "begin" else self._current[i] for i in crew.indices}
                first = self._replaced(number, starts)
                answers |= {i: replace(first[i], truncated=True, broken=True) for i in first if i in of}
        return answers

    def _replaced(self, number: int, starts: Mapping[int, Start]) -> dict[int, LaneStep]:
        """A new process for a crew; the first answers of its environments."""
        assert self._memory is not None
        self._crews[number].close()
        crew = self._crews[number] = _There(self.cfg, self._crews[number].indices, self._memory)
        crew.greet()
        crew.ask("begin", starts)
        try:
            return crew.answers(START_SECONDS)
        except Gone as death:
            raise UserError(f"{self.game}: a replaced game process died again at its first frame ({death})") from death


class _SharedFrames:
    """Memory for frames that child processes share through an inherited file descriptor."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the environments
        self._file.truncate(int(np.prod(shape)))
        self.fd = self._file.fileno()
        self.array = _frames_in(self.fd, shape)


def _frames_in(fd: int, shape: tuple[int, ...]) -> Frame:
    return np.frombuffer(mmap.mmap(fd, int(np.prod(shape))), dtype=np.uint8).reshape(shape)


def play(pipe: Connection, cfg: EnvConfig, indices: Sequence[int], fd: int, shape: tuple[int, ...]) -> None:
    """In the child process: greet, then answer until the parent is gone."""
    cv2.setNumThreads(1)
    try:
        lanes = Lanes(cfg, indices, *_frames_in(fd, shape))
    except UserError as error:
        return pipe.send(error)
    with closing(lanes):
        pipe.send(lanes.facts)
        for what, of in serve(pipe):
            try:
                pipe.send(_answer(lanes, what, of))
            except UserError as error:
                pipe.send(error)


def _answer(lanes: Lanes, what: str, of: Mapping[int, Any]) -> dict[int, LaneStep]:
    return lanes.begin(of) if what == "begin" else lanes.step(of)


def _gather(infos: Sequence[Numbers]) -> dict[str, Any]:
    """name -> array (N,). Where an environment lacks a name it has 0 there, and `_name` (N,) says which have it."""
    gathered: dict[str, Any] = {}
    for name in sorted({name for info in infos for name in info}):
        gathered[name] = np.array([info.get(name, 0) for info in infos])
        if not all(name in info for info in infos):
            gathered[f"_{name}"] = np.array([name in info for info in infos])
    return gathered
