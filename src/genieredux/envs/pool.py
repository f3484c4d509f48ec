"""A vector of games, each in a worker process of its own, with frames in shared memory.

Emulators demand it (stable-retro: one per process), and a game that crashes then takes only its worker down.
Workers are spawned, never forked: a forked child would inherit the parent's live emulator. A worker that dies
or hangs is replaced, and the episode it was playing begins anew, flagged `broken`, so that whoever records
can discard what it had. Knows no game.
"""

import logging
import multiprocessing as mp
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from genieredux.envs.config import EnvConfig
from genieredux.envs.lanes import Game, Lane, LaneStep, LaneVectorEnv
from genieredux.errors import UserError

log = logging.getLogger(__name__)

STEP_SECONDS = 60.0
"""A worker silent for this long during a step counts as dead."""
START_SECONDS = 180.0
"""Starting a worker imports libraries and loads a ROM: on a busy machine that may take this long."""

_CONTEXT = mp.get_context("spawn")
Builder = Callable[[EnvConfig], Game]


class _Dead(Exception):
    """The worker at the other end of a pipe is gone or silent."""


class _Worker:
    """One worker process, and how to talk to it."""

    def __init__(self, build: Builder, cfg: EnvConfig, memory: Any, index: int) -> None:
        self.index = index
        self._pipe, remote = _CONTEXT.Pipe()
        self._process: BaseProcess = _CONTEXT.Process(
            target=_serve, args=(remote, build, cfg, memory, index), name=f"game-{index}", daemon=True
        )
        self._process.start()
        remote.close()

    @property
    def pid(self) -> int:
        """The worker's process id."""
        assert self._process.pid is not None
        return self._process.pid

    def send(self, message: tuple[Any, ...]) -> None:
        """Ask the worker for something. A dead worker is found out by `receive`."""
        try:
            self._pipe.send(message)
        except OSError:
            log.debug("worker %d: its pipe is closed", self.index)

    def receive(self, seconds: float) -> Any:
        """The answer to the oldest question. Raises `_Dead`, or the `UserError` that the worker ran into."""
        try:
            if not self._pipe.poll(seconds):
                raise _Dead(f"no answer for {seconds:g} s")
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5.0)
            raise _Dead(f"exit code {self._process.exitcode}") from error
        if isinstance(answer, UserError):
            raise answer
        return answer

    def stop(self) -> None:
        """End the process, gently at first."""
        self.send(("close",))
        self._pipe.close()
        self._process.join(2.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5.0)


class PoolVectorEnv(LaneVectorEnv):
    """Lanes in spawned worker processes, one each. Raises `UserError` where a worker cannot start."""

    def __init__(self, cfg: EnvConfig, num_envs: int, seed: int, build: Builder) -> None:
        super().__init__(cfg, num_envs, seed)
        self._build = build
        self._memory = _CONTEXT.RawArray("B", 2 * self._frames.size)
        self._frames, self._finals = _views(self._memory, num_envs, cfg.image_size)
        self._workers: list[_Worker] = []
        try:
            self._workers += [self._spawn(index) for index in range(num_envs)]
            greetings = [self._greeting(worker) for worker in self._workers]
        except BaseException:
            self.close()
            raise
        self._declare(*greetings[0])

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers, by environment."""
        return tuple(worker.pid for worker in self._workers)

    def _begin_lanes(self) -> list[LaneStep]:
        for worker in self._workers:
            worker.send(("begin", self._upcoming[worker.index]))
        return [self._answer(index, redo_upcoming=True) for index in range(self.num_envs)]

    def _step_lanes(self, actions: Sequence[int], lanes: Sequence[int]) -> list[LaneStep]:
        for index, action in zip(lanes, actions, strict=True):
            self._workers[index].send(("step", action, self._upcoming[index]))
        return [self._answer(index, redo_upcoming=False) for index in lanes]

    def _answer(self, index: int, redo_upcoming: bool) -> LaneStep:
        """The worker's answer; if it died, a new worker's first frame of the same episode, flagged broken."""
        try:
            return self._workers[index].receive(STEP_SECONDS)
        except _Dead as death:
            log.warning("%s, worker %d died (%s): its episode is played again", self.game, index, death)
        start = (self._upcoming if redo_upcoming else self._current)[index]
        self._workers[index].stop()
        self._workers[index] = self._spawn(index)
        self._greeting(self._workers[index])
        self._workers[index].send(("begin", start))
        try:
            first: LaneStep = self._workers[index].receive(START_SECONDS)
        except _Dead as death:
            raise UserError(f"{self.game}: a replaced game process died again at its first frame ({death})") from death
        return first if redo_upcoming else replace(first, truncated=True, broken=True)

    def _spawn(self, index: int) -> _Worker:
        return _Worker(self._build, self.cfg, self._memory, index)

    def _greeting(self, worker: _Worker) -> tuple[str, str, tuple[str, ...]]:
        try:
            return worker.receive(START_SECONDS)
        except _Dead as death:
            raise UserError(
                f"{self.cfg.kind} game '{self.cfg.game}': its process ended before the game began ({death}); "
                "its own output above may say why"
            ) from death

    def close_extras(self, **kwargs: Any) -> None:
        """End every worker."""
        for worker in self._workers:
            worker.stop()
        self._workers = []


def _views(memory: Any, num_envs: int, size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    both = np.frombuffer(memory, dtype=np.uint8).reshape(2, num_envs, size, size, 3)
    return both[0], both[1]


def _serve(pipe: Connection, build: Builder, cfg: EnvConfig, memory: Any, index: int) -> None:
    """The worker's whole life: greet, then answer until told to close or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    cv2.setNumThreads(1)
    frame_bytes = cfg.image_size * cfg.image_size * 3
    frames, finals = _views(memory, len(memory) // (2 * frame_bytes), cfg.image_size)
    try:
        lane = Lane(build(cfg), cfg.max_episode_steps)
    except UserError as error:
        pipe.send(error)
        return
    try:
        pipe.send((lane.game.name, lane.game.console, lane.game.action_names))
        while True:
            match pipe.recv():
                case ("begin", start):
                    pipe.send(lane.begin(start, frames[index]))
                case ("step", action, upcoming):
                    pipe.send(lane.step(action, upcoming, frames[index], finals[index]))
                case _:
                    break
    except (EOFError, OSError):
        pass  # the parent went away
    finally:
        lane.game.close()
