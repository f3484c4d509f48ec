"""The worker: plays tasks by itself, whole episodes at a time, and gives each as the bytes of its file.

It knows no transport: a backend runs it in a process, here or on another machine, and carries its messages. It keeps
its game open from task to task, and closes it before it opens another, since some libraries allow one emulator a
process.
"""

import time
from collections.abc import Generator, Iterator

from genieredux.collect.plan import Planned
from genieredux.collect.tasks import Alive, Finished, Labels, Message, Played, Refused, Task, to_episode
from genieredux.envs import EnvConfig, SoloGame, make_solo
from genieredux.envs.lanes import numbers
from genieredux.episodes import Episode, Track, encode_episode
from genieredux.errors import UserError
from genieredux.policies import Policy, PolicySpec

ALIVE_SECONDS = 1.0
"""How often a worker that plays a long episode says that it lives."""


class Worker:
    """Plays one task after the other. Use one per process."""

    def __init__(self) -> None:
        self._game: SoloGame | None = None
        self._env: EnvConfig | None = None
        self._policies: dict[PolicySpec, Policy] = {}

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
        if task.policy not in self._policies:
            self._policies[task.policy] = task.policy.build()
        policy = self._policies[task.policy]
        for planned in task.episodes:
            player = _Episode(self._game, policy, task.env.max_episode_steps)
            episode = yield from player.play(planned, task.labels)
            encoded = encode_episode(episode, task.policy.num_actions)
            yield Played(task.group, planned, encoded, player.unsaid)


class _Episode:
    """One episode being played. unsaid: frames that no message has counted yet."""

    def __init__(self, game: SoloGame, policy: Policy, max_steps: int | None) -> None:
        self._game, self._policy, self._max_steps = game, policy, max_steps
        self.unsaid = 1

    def play(self, planned: Planned, labels: Labels) -> Generator[Alive, None, Episode]:
        """Play it to its end or to the cap on steps, saying `Alive` now and then."""
        game, act = self._game, self._policy.act
        frame, info = game.begin(planned.start)
        self._policy.reset(1, [planned.start.seed])
        track = Track(frame, dict(sorted(numbers(info).items())))
        due = time.monotonic() + ALIVE_SECONDS
        terminated = truncated = False
        steps = 0
        while not (terminated or truncated):
            action = int(act(frame[None])[0])
            shown, reward, terminated, truncated, info = game.step(action)
            steps += 1
            truncated = truncated or (not terminated and steps == self._max_steps)
            if shown is None:
                track.end_unseen(reward)
                break
            track.step(action, reward, shown, numbers(info))
            frame = shown
            self.unsaid += 1
            if time.monotonic() > due:
                yield Alive(self.unsaid)
                self.unsaid, due = 0, time.monotonic() + ALIVE_SECONDS
        return to_episode(labels, planned, track, bool(terminated), bool(truncated))
