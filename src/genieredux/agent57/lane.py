"""One game of an actor: its episodes, and the sequences that they are cut into. Knows no network.

An episode is what its level, its seed and its actions make of it; so the state of a lane is those, and going on plays
them again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genieredux.agent57.frames import grey
from genieredux.agent57.replay import Sequence, Shape
from genieredux.envs.config import EnvConfig
from genieredux.envs.factory import make_solo
from genieredux.envs.game import Start

ROW = ("frames", "previous_actions", "extrinsic_rewards", "intrinsic_rewards", "behaviour", "states")
"""What is remembered of a step: the frame, what came before it, the chance of the action there, the states before."""


class Lane:
    """One game, played by whoever calls `step`.

    seed: numbers that no other lane of the run has; episode k follows from them and k alone.
    """

    def __init__(self, env: EnvConfig, shape: Shape, period: int, seed: tuple[int, ...]) -> None:
        self.env, self.shape, self.period, self.seed = env, shape, period, seed
        self.game = make_solo(env)
        self.episode = -1
        self.begin()

    def begin(self) -> None:
        """The next episode begins."""
        self.episode += 1
        self.generator = np.random.default_rng((*self.seed, self.episode, 1))
        self.start = Start(*self.env.draw(np.random.default_rng((*self.seed, self.episode))))
        self.game.begin(self.start)
        self.frame = grey(self.game.native, self.shape.image_size)
        self.taken: list[int] = []
        self.action, self.reward, self.begun = 0, 0.0, True
        self.returned = self.curiosity = 0.0
        self.rows: list[tuple[Any, ...]] = []
        self.first = 0  # the step of the episode that the oldest row is of

    def step(self, action: int) -> tuple[bool, bool, bool]:
        """Take an action: whether the game ended, whether the episode was cut, whether its last frame is shown."""
        shown, reward, ended, cut, _ = self.game.step(action)
        self.taken.append(action)
        cut = not ended and (bool(cut) or len(self.taken) == self.env.max_episode_steps)
        if shown is not None:
            self.frame = grey(self.game.native, self.shape.image_size)
        self.action, self.reward, self.begun = action, float(reward), False
        self.returned += self.reward
        return bool(ended), cut, shown is not None

    def remember(self, intrinsic: float, behaviour: float, states: NDArray[np.float32]) -> None:
        """The frame now shown, what curiosity gave for it, and what is done at it."""
        self.curiosity += 0.0 if self.begun else intrinsic
        self.rows.append((self.frame, self.action, self.reward, intrinsic, behaviour, states))

    def full(self, member: int, born: int) -> Sequence | None:
        """A sequence, where as many steps are there as one has; the next begins `period` steps later."""
        if len(self.rows) <= self.shape.trace:
            return None
        sequence = self._sequence(self.shape.trace, False, member, born)
        self.rows, self.first = self.rows[self.period :], self.first + self.period
        return sequence

    def last(self, ended: bool, shown: bool, member: int, born: int) -> Sequence | None:
        """What is left when an episode is over; None where all of its steps are in a sequence already.

        Where it was cut and nothing is shown after it, its last step is left out: what it led to is not known.
        """
        steps = len(self.rows) - 1 - (not ended and not shown)
        learned = self.shape.trace - self.period if self.first else 0
        return self._sequence(steps, ended, member, born) if steps > learned else None

    def _sequence(self, steps: int, ended: bool, member: int, born: int) -> Sequence:
        sequence: Sequence = {name: np.zeros(size, kind) for name, (size, kind) in self.shape.fields().items()}
        columns = dict(zip(ROW, zip(*self.rows[: steps + 1], strict=True), strict=True))
        for name in ROW[:4]:
            sequence[name][: steps + 1] = np.stack(columns[name])
        sequence["behaviour"][:steps] = columns["behaviour"][:steps]
        sequence["behaviour"][steps:] = 1
        sequence["states"][...] = columns["states"][0]
        facts = {"length": steps, "ended": ended, "begins": self.first == 0, "member": member, "born": born}
        return sequence | {name: np.asarray(value, sequence[name].dtype) for name, value in facts.items()}

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain values and arrays."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(ROW)
        return {
            "seed": list(self.seed),
            "episode": self.episode,
            "taken": list(self.taken),
            "generator": _plain(self.generator.bit_generator.state),
            "curiosity": self.curiosity,
            "first": self.first,
            "rows": {name: np.array(column) for name, column in zip(ROW, columns, strict=True)},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`: the episode is begun again and its actions are taken again."""
        self.seed, self.episode = tuple(map(int, state["seed"])), int(state["episode"]) - 1
        self.begin()
        for action in state["taken"]:
            self.step(int(action))
        self.generator.bit_generator.state = _numbers(state["generator"])
        self.curiosity, self.first = float(state["curiosity"]), int(state["first"])
        columns = [state["rows"][name] for name in ROW]
        self.rows = [
            (frame, int(action), float(reward), float(intrinsic), float(behaviour), states)
            for frame, action, reward, intrinsic, behaviour, states in zip(*columns, strict=True)
        ]

    def close(self) -> None:
        """Free the game."""
        self.game.close()


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """A generator's state with its long numbers as texts, which every file can hold."""
    return {key: _plain(value) if isinstance(value, Mapping) else str(value) for key, value in state.items()}


def _numbers(state: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse."""
    read = {key: _numbers(value) if isinstance(value, Mapping) else value for key, value in state.items()}
    return {key: int(value) if isinstance(value, str) and value.isdecimal() else value for key, value in read.items()}
