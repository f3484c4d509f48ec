"""The worker: plays tasks by itself, whole episodes at a time, and gives each as the bytes of its file.

It knows no transport: a backend runs it in a process, here or on another machine, and carries its messages. It keeps
its game open from task to task, and closes it before it opens another, since some libraries allow one emulator a
process.
"""

import sys
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import cv2
import numpy as np

from genieredux.collect.plan import Group, Planned
from genieredux.collect.roms import Rom, bring
from genieredux.collect.tasks import Alive, Finished, Message, Played, Refused, Task
from genieredux.envs import EnvConfig, Game, make_solo, numbers
from genieredux.episodes import Episode, Track, encode_episode
from genieredux.errors import UserError
from genieredux.policies import Policies, Policy, Seen

ALIVE_SECONDS = 1.0
"""How often a worker that plays a long episode says that it lives."""


class Worker:
    """Plays one task after the other. Use one per process."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)  # it is one of many
        self._game: Game | None = None
        self._env: EnvConfig | None = None
        self._policies = Policies()

    def run(self, task: Task) -> Iterator[Message]:
        """The task's messages, the last of which is `Finished` or `Refused`.

        What goes wrong otherwise (a defect in the game's library) is raised, and should end the process.
        """
        try:
            yield from self._run(task)
        except UserError as error:
            self.close()
            yield Refused(str(error))
        else:
            yield Finished()

    def unpack(self, task: Task, rom: Rom, fetch: Callable[[Any], bytes]) -> None:
        """Have the ROM of a task here. fetch: from what `rom` refers to, to its bytes."""
        bring(task.env, rom, fetch)

    def close(self) -> None:
        """Close the game that is open."""
        if self._game is not None:
            self._game.close()
        self._game = self._env = None

    def _run(self, task: Task) -> Iterator[Message]:
        if self._game is None or self._env != task.env:
            yield Alive(opening=True)
            self.close()
            self._game, self._env = make_solo(task.env), task.env
            yield Alive()
        policy = self._policies.get(task.policy)
        if (torch := sys.modules.get("torch")) is not None:  # only a policy with a network brings it
            torch.set_num_threads(1)
        for planned in task.episodes:
            recording = _Recording(self._game, policy, task.env.max_episode_steps)
            episode = yield from recording.play(planned, task.group)
            yield Played(task.number, planned, encode_episode(episode, task.policy.num_actions), recording.unsaid)


class _Recording:
    """One episode being played. unsaid: frames that no message has counted yet."""

    def __init__(self, game: Game, policy: Policy, max_steps: int | None) -> None:
        self._game, self._policy, self._max_steps = game, policy, max_steps
        self.unsaid = 1

    def play(self, planned: Planned, group: Group) -> Generator[Alive, None, Episode]:
        """Play it to its end or to the cap on steps, saying `Alive` now and then."""
        game, act = self._game, self._policy.act
        frame, info = game.begin(planned.start)
        seen = Seen.first(frame[None], np.array([planned.start.seed]))
        seen.native = [game.native]
        track = Track(frame, numbers(info))
        due = time.monotonic() + ALIVE_SECONDS
        terminated = truncated = False
        steps = 0
        while not (terminated or truncated):
            action = int(act(seen)[0])
            shown, reward, terminated, truncated, info = game.step(action)
            steps += 1
            truncated = truncated or (not terminated and steps == self._max_steps)
            if shown is None:
                track.end_unseen(reward)
                break
            track.step(action, reward, shown, numbers(info))
            seen.frames, seen.rewards[0], seen.actions[0], seen.begun[0] = shown[None], reward, action, False
            seen.native = [game.native]
            self.unsaid += 1
            if time.monotonic() > due:
                yield Alive(self.unsaid)
                self.unsaid, due = 0, time.monotonic() + ALIVE_SECONDS
        return track.episode(bool(terminated), bool(truncated), **group.labels(planned))
