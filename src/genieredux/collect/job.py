"""The collection job: plan, play, store. A second run with the same configuration continues where the first
stopped.
"""

import json
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from genieredux.collect.config import CollectConfig
from genieredux.collect.ledger import Ledger
from genieredux.collect.plan import Group, plan_groups
from genieredux.collect.play import Player
from genieredux.collect.progress import Reporter, default_reporter
from genieredux.collect.shelf import Shelf
from genieredux.envs import GameFacts, GameVectorEnv, describe, make, suggested_num_envs
from genieredux.episodes import DatasetSpec, DatasetWriter
from genieredux.errors import UserError
from genieredux.policies import make_policy
from genieredux.runs.environment import describe_environment

log = logging.getLogger(__name__)

_MAY_GROW = ("games", "tags", "splits", "generator_config", "variant", "skip_missing_games")
"""Connector settings that may change from run to run: they add episodes and alter none."""


@dataclass(frozen=True)
class CollectSummary:
    """What a collection did. frames and episodes count this run; the totals count the data set as it now is.

    lost: episodes that had to be played again because their environment died. frames_per_second: saved, this
    run.
    """

    path: Path
    episodes: int
    frames: int
    total_episodes: int
    total_frames: int
    lost: int
    seconds: float

    @property
    def frames_per_second(self) -> float:
        """Frames saved per second of this run, everything included."""
        return self.frames / max(self.seconds, 1e-9)


def collect(cfg: CollectConfig, progress: Reporter | None = None) -> CollectSummary:
    """Play what `cfg` describes and store it under `<root>/<data set name>`; returns when everything is on
    the disk.

    Episodes that the data set already holds are not played again. Ctrl-C and SIGTERM raise KeyboardInterrupt
    after the finished episodes and an index over them were written. Raises `UserError` where a game cannot be
    played, the folder holds another kind of data set, or the disk is full; what was finished before stays
    whole.
    """
    began = time.perf_counter()
    games = _playable_games(cfg)
    spec = DatasetSpec(
        name=cfg.connector.dataset_name,
        image_size=cfg.connector.image_size,
        action_names=_common_actions(games),
        created_by=_provenance(cfg),
    )
    path = Path(cfg.root).expanduser() / spec.name
    with (
        _sigterm_interrupts(),
        progress or default_reporter() as reporter,
        DatasetWriter(path, spec) as writer,
    ):
        _check_continues(writer.spec, spec, path)
        before = len(writer), writer.num_frames
        job = _Collection(cfg, writer, reporter)
        try:
            with closing(job):
                for group in plan_groups(cfg, games):
                    job.run(group)
        except KeyboardInterrupt:
            log.warning("%s: stopped with %d episodes stored; the same command continues from here", path, len(writer))
            raise
        after = len(writer), writer.num_frames
    return CollectSummary(
        path=path,
        episodes=after[0] - before[0],
        frames=after[1] - before[1],
        total_episodes=after[0],
        total_frames=after[1],
        lost=job.lost,
        seconds=time.perf_counter() - began,
    )


class _Collection:
    """Plays group after group into one writer."""

    def __init__(self, cfg: CollectConfig, writer: DatasetWriter, reporter: Reporter) -> None:
        self._cfg, self._writer, self._reporter = cfg, writer, reporter
        self._env: GameVectorEnv | None = None
        self._env_game = ""
        self.lost = 0

    def close(self) -> None:
        """Close the environments that are open."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def run(self, group: Group) -> None:
        """Play and store what is missing of one group."""
        ledger = Ledger(group, {meta.id: meta for meta in self._writer.metas})
        unit = "frames" if group.num_frames else "episodes"
        label = f"{group.facts.game} {group.split} ({group.variant}), {unit}"
        self._reporter.begin(label, ledger.total, ledger.done)
        if ledger.is_complete():
            return
        env = self._environment(group.game, ledger.missing)
        agent = self._cfg.connector.agent
        policy = make_policy(group.variant, len(group.facts.action_names), agent.gamma, agent.temperature)
        player = Player(env, policy)
        with Shelf(self._writer) as shelf, closing(player.play(ledger.to_play())) as episodes:
            for played in episodes:
                for ready in ledger.in_order(played):
                    shelf.put(ready, group, self._cfg)
                    self._reporter.advance(ledger.units(ready), len(ready.track))
                if ledger.is_complete():
                    break
        self.lost += player.deaths

    def _environment(self, game: str, missing: int | None) -> GameVectorEnv:
        """Environments of a game, enough for `missing` episodes: those of the group before, where they serve."""
        env_cfg = self._cfg.connector.env(game)
        count = _balanced(suggested_num_envs(env_cfg), missing)
        if self._env is None or self._env_game != game or self._env.num_envs < count:
            self.close()
            self._env, self._env_game = make(env_cfg, count, self._cfg.seed), game
        return self._env


def _balanced(most: int, missing: int | None) -> int:
    """How many environments to use so that they all finish at about the same time."""
    if missing is None or missing <= 0:
        return most
    rounds = -(-missing // most)
    return -(-missing // rounds)


def _playable_games(cfg: CollectConfig) -> dict[str, GameFacts]:
    """Configured name -> facts, for every game that can be played here."""
    games, missing = {}, []
    for game in cfg.connector.games:
        try:
            games[game] = describe(cfg.connector.env(game))
        except UserError as error:
            if not cfg.connector.skip_missing_games:
                raise
            missing.append(game)
            log.warning("left out: %s", error)
    if not games:
        raise UserError(f"none of the {len(missing)} games can be played here; the warnings above say why")
    if len({facts.game for facts in games.values()}) != len(games):
        raise UserError("connector.games names a game twice, once with and once without its version")
    return games


def _common_actions(games: dict[str, GameFacts]) -> tuple[str, ...]:
    kinds = {facts.action_names for facts in games.values()}
    if len(kinds) > 1:
        raise UserError(
            f"the games offer different actions ({'; '.join(', '.join(kind) for kind in sorted(kinds))}); "
            "set connector.action_names to some that all have"
        )
    return kinds.pop()


def _check_continues(old: DatasetSpec, new: DatasetSpec, path: Path) -> None:
    """Raises `UserError` where the data set that is there was made with settings that change episodes."""
    then, now = (json.loads(json.dumps(spec.created_by)) for spec in (old, new))
    if then.get("job") != now["job"]:
        raise UserError(f"{path}: this data set was not made by collecting; choose another connector.dname")
    keys = [(key,) for key in now["connector"] if key not in _MAY_GROW]
    for path_in in (*keys, ("generator_config", "n_steps_max")):
        before, after = _value(then["connector"], path_in), _value(now["connector"], path_in)
        if before != after:
            raise UserError(
                f"{path}: exists with connector.{'.'.join(path_in)}={before}, cannot continue with {after}; "
                "choose another connector.dname, or remove it"
            )


def _value(config: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        config = config.get(key, {})
    return config


def _provenance(cfg: CollectConfig) -> dict[str, Any]:
    """How the data set was made, without what cannot change it (place, workers)."""
    config = asdict(cfg.connector)
    del config["generator_config"]["n_workers"]
    return {
        "job": "collect",
        "seed": cfg.seed,
        "connector": config,
        "episode_ends": "terminated: the game ended; truncated: cut after n_steps_max actions (or by the "
        "game's own time limit), and the next episode begins with a reset, not where this one was cut",
        "versions": describe_environment()["versions"],
    }


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """SIGTERM acts like Ctrl-C while a collection runs (only in the main thread can signals be handled)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
