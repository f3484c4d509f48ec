"""Measuring an agent: episodes of a member of the family, and of play that sees nothing, with intervals. Writes
nothing."""

import contextlib
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genieredux.agent57.config import EvalConfig, GameConfig
from genieredux.agent57.frames import grey
from genieredux.envs.adapters import adapter
from genieredux.envs.config import EnvConfig
from genieredux.envs.factory import make_solo
from genieredux.envs.game import Game, Start
from genieredux.models.agent57.acting import Acting, acting
from genieredux.models.agent57.agent import Agent

STICKY = 0.9
"""Chance that sticky random play repeats its action."""
MOST_STREAMS = 16
_RESAMPLES = 2_000


@dataclass(frozen=True)
class Score:
    """The returns (n,) of the episodes of a player, and their mean with its 95 % bootstrap interval."""

    name: str
    returns: NDArray[np.float64]

    @property
    def mean(self) -> float:
        return float(self.returns.mean())

    def interval(self) -> tuple[float, float]:
        """From 2,000 resamples of the episodes."""
        generator = np.random.default_rng(0)
        drawn = generator.integers(len(self.returns), size=(_RESAMPLES, len(self.returns)))
        low, high = np.quantile(self.returns[drawn].mean(1), (0.025, 0.975))
        return float(low), float(high)

    def line(self) -> str:
        low, high = self.interval()
        return f"{self.name:<28}{self.mean:8.3f} [{low:.3f}, {high:.3f}]   {len(self.returns)} episodes"


class Chooser(Protocol):
    """A player of several streams."""

    def __call__(self, seen: "Looks") -> NDArray[np.int64]:
        """An action for each stream."""


@dataclass
class Looks:
    """What N streams show: native pictures, and the action before, what it earned, whether the episode begins; each has
    a generator, which its episode's number seeds."""

    pictures: list[NDArray[np.uint8]]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    begun: NDArray[np.bool_]
    generators: list[np.random.Generator]


def played(env: GameConfig, cfg: EvalConfig, choose: Chooser, streams: int) -> NDArray[np.float64]:
    """The returns (episodes,) of one player; episode k has a level and a seed that follow from cfg.seed and k alone."""
    wanted = replace(
        env,
        start_level=env.start_level if cfg.start_level is None else cfg.start_level,
        num_levels=env.num_levels if cfg.num_levels is None else cfg.num_levels,
    ).env()
    with contextlib.ExitStack() as stack:
        games = [make_solo(wanted) for _ in range(streams)]
        for game in games:
            stack.callback(game.close)
        return _Table(wanted, cfg, games).play(choose)


class _Table:
    """Games side by side, each of which takes the next episode that nobody has played."""

    def __init__(self, env: EnvConfig, cfg: EvalConfig, games: list[Game]) -> None:
        n = len(games)
        self.env, self.cfg, self.games = env, cfg, games
        self.returns, self.given = np.zeros(cfg.episodes), 0
        self.episode, self.steps = np.full(n, -1), np.zeros(n, np.int64)
        self.seen = Looks([], np.zeros(n, np.int64), np.zeros(n, np.float32), np.ones(n, bool), [None] * n)  # type: ignore[list-item]

    def play(self, choose: Chooser) -> NDArray[np.float64]:
        """All episodes; the last ones are played beside games that go on for nothing."""
        for i in range(len(self.games)):
            self._begin(i)
        while (self.episode < self.cfg.episodes).any():
            self.seen.pictures = [game.native for game in self.games]
            for i, action in enumerate(choose(self.seen)):
                self._step(i, int(action))
        return self.returns

    def _begin(self, i: int) -> None:
        k, self.given = self.given, self.given + 1
        self.games[i].begin(Start(*self.env.draw(np.random.default_rng((self.cfg.seed, k)))))
        self.seen.generators[i] = np.random.default_rng((self.cfg.seed, k, 1))
        self.episode[i], self.steps[i], self.seen.begun[i] = k, 0, True
        self.seen.actions[i] = self.seen.rewards[i] = 0

    def _step(self, i: int, action: int) -> None:
        _, reward, ended, cut, _ = self.games[i].step(action)
        self.steps[i] += 1
        self.seen.actions[i], self.seen.rewards[i], self.seen.begun[i] = action, reward, False
        if self.episode[i] < self.cfg.episodes:
            self.returns[self.episode[i]] += reward
        if ended or cut or self.steps[i] == self.env.max_episode_steps:
            self._begin(i)


def streams_for(env: GameConfig, cfg: EvalConfig) -> int:
    """How many games are played side by side."""
    return 1 if adapter(env.kind).processes == "each" else min(cfg.episodes, MOST_STREAMS)


def measured(agent: Agent, env: GameConfig, cfg: EvalConfig, member: int, distance: float) -> NDArray[np.float64]:
    """The returns of a member of the family; distance: the mean distance of episodic memories, which stays."""
    streams = streams_for(env, cfg)
    return played(env, cfg, chooser(acting(agent, streams, distance), member, cfg.epsilon), streams)


def chooser(player: Acting, member: int, epsilon: float) -> Chooser:
    """The player of `played` from an agent in as many streams."""
    size, count = player.agent.config.image_size, player.agent.num_actions

    def choose(seen: Looks) -> NDArray[np.int64]:
        for i in np.flatnonzero(seen.begun):
            player.begin(int(i), member)
        frames = np.stack([grey(picture, size) for picture in seen.pictures])
        acted = player.step(frames, seen.actions, seen.rewards, seen.begun)
        draws = np.stack([generator.random(2) for generator in seen.generators])
        random = np.minimum((draws[:, 1] * count).astype(np.int64), count - 1)
        return np.where(draws[:, 0] < epsilon, random, acted.values.argmax(-1))

    return choose


def random_player(num_actions: int, sticky: float) -> Chooser:
    """Uniformly random actions, each repeated with the probability `sticky` at every step."""

    def choose(seen: Looks) -> NDArray[np.int64]:
        draws = np.stack([generator.random(2) for generator in seen.generators])
        random = np.minimum((draws[:, 1] * num_actions).astype(np.int64), num_actions - 1)
        return np.where((draws[:, 0] < sticky) & ~seen.begun, seen.actions, random)

    return choose


def held_player(action: int) -> Chooser:
    """One action throughout."""
    return lambda seen: np.full(len(seen.begun), action)
