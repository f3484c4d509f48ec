"""Which worker plays what next: one queue over all games of a collection.

A worker stays with its game as long as there is something to play in it, then takes one that nobody plays, then helps
where most is left. So few games are opened, and no worker waits for a game to end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from genieredux.collect.config import CollectConfig
from genieredux.collect.ledger import Ledger
from genieredux.collect.plan import Group, Planned
from genieredux.collect.tasks import Task
from genieredux.envs import EnvConfig
from genieredux.episodes import EncodedEpisode, Episode
from genieredux.episodes.block_file import EpisodeMeta
from genieredux.policies import PolicySpec, spec_of

Item = Episode | EncodedEpisode

_LARGEST_TASK = 4
"""Episodes per task: enough that asking for work costs nothing, few enough that all workers end together."""


@dataclass
class Work:
    """One group of episodes, and what is done of it. given_up: why nobody plays it any more."""

    number: int
    group: Group
    ledger: Ledger[Item]
    env: EnvConfig
    policy: PolicySpec
    given_up: str | None = None

    @property
    def is_open(self) -> bool:
        """Something is still to be played, now or later."""
        return self.given_up is None and not self.ledger.is_complete()

    def task(self, episodes: tuple[Planned, ...]) -> Task:
        """A task of some of its episodes."""
        return Task(self.number, self.group, self.env, self.policy, episodes)


def all_work(cfg: CollectConfig, groups: Sequence[Group], stored: Mapping[str, EpisodeMeta]) -> list[Work]:
    """The groups of a collection, with what of each is stored already."""
    connector, agent = cfg.connector, cfg.connector.agent
    specs = spec_of({group.variant for group in groups}, agent.checkpoint_fpath, agent.options)
    works = []
    for number, group in enumerate(groups):
        names = group.facts.action_names
        spec = specs[group.variant]
        policy = replace(
            spec,
            num_actions=len(names),
            action_names=names,
            game_name=group.facts.game,
            image_size=connector.image_size,
            wrappers=agent.wrappers,
        )
        works.append(Work(number, group, Ledger(group, stored), connector.env(group.game), policy))
    return works


@dataclass
class _Game:
    """The groups of one game, and how many workers took their latest task from it."""

    works: list[Work] = field(default_factory=list)
    workers: int = 0

    def missing(self) -> int:
        return sum(work.ledger.missing() for work in self.works if work.is_open)


class Schedule:
    """Deals the episodes of `works` out to `workers` workers, who play by themselves."""

    def __init__(self, works: Sequence[Work], workers: int) -> None:
        self._workers = workers
        self._games: dict[str, _Game] = {}
        for work in works:
            work.env = replace(work.env, num_workers=1)
            self._games.setdefault(work.group.game, _Game()).works.append(work)
        self._plays: dict[int, str] = {}

    def next_task(self, worker: int) -> Task | None:
        """What this worker is to play next; None where nothing is to be played now."""
        game = self._plays.get(worker)
        if game not in self._games or not self._games[game].missing():
            game = self._choose()
        if game is None:
            return None
        self._settle(worker, game)
        most = min(_LARGEST_TASK, max(1, self._games[game].missing() // (2 * self._workers)))
        for work in self._games[game].works:
            if work.is_open and (episodes := work.ledger.take(most)):
                return work.task(episodes)
        return None

    def _choose(self) -> str | None:
        self._games = {game: one for game, one in self._games.items() if any(work.is_open for work in one.works)}
        waiting = {game: one for game, one in self._games.items() if one.missing()}
        for game, one in waiting.items():
            if not one.workers:
                return game
        return max(waiting, key=lambda game: waiting[game].missing() / waiting[game].workers, default=None)

    def _settle(self, worker: int, game: str) -> None:
        before = self._plays.get(worker)
        if before == game:
            return
        if before in self._games:
            self._games[before].workers -= 1
        self._games[game].workers += 1
        self._plays[worker] = game
