"""The collection job: plan, play, store. A second run with the same configuration continues where the first
stopped.
"""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from genieredux.collect.backends import Backend, LocalBackend
from genieredux.collect.config import AgentConfig, CollectConfig
from genieredux.collect.engine import Engine, give_up
from genieredux.collect.games import configured_games, playable_games
from genieredux.collect.lockstep import GameDied, LockStep
from genieredux.collect.plan import Group, check_amount, plan_groups
from genieredux.collect.progress import DisplayReporter, SilentReporter, Tally
from genieredux.collect.schedule import Work, all_work
from genieredux.collect.shelf import Shelf
from genieredux.envs import GameFacts
from genieredux.episodes import DatasetSpec, DatasetWriter
from genieredux.episodes.schema import check_continues
from genieredux.errors import UserError
from genieredux.policies import Policies
from genieredux.runs.environment import cores, describe_environment
from genieredux.runs.places import user_path

log = logging.getLogger(__name__)

_CHOICE = ("game", "games", "view", "motion", "genre", "console", "controls", "published_only", "n_games")
_MAY_GROW = (*_CHOICE, "tags", "splits", "generator_config", "variant", "skip_missing_games")
"""Connector settings that may change from run to run: they add episodes and alter none."""


@dataclass(frozen=True)
class CollectSummary:
    """What a collection did. frames and episodes count this run; the totals count the data set as it now is.

    lost: episodes that had to be played again because their process died. skipped: configured games that cannot be
    played here. failed: games that were given up, and why. frames_per_second: saved, this run.
    """

    path: Path
    episodes: int
    frames: int
    total_episodes: int
    total_frames: int
    lost: int
    seconds: float
    skipped: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def frames_per_second(self) -> float:
        """Frames saved per second of this run, everything included."""
        return self.frames / max(self.seconds, 1e-9)


class GamesFailed(UserError):
    """Some games were given up; all others are stored. summary: what was done."""

    def __init__(self, summary: CollectSummary) -> None:
        reasons = "; ".join(f"{game}: {reason}" for game, reason in summary.failed.items())
        super().__init__(
            f"{summary.path}: {summary.episodes} new episodes are stored, but {len(summary.failed)} of the games could "
            f"not be played to the end ({reasons}); the same command goes on with them"
        )
        self.summary = summary


def collect(
    cfg: CollectConfig, progress: SilentReporter | None = None, make_backend: Callable[[int], Backend] = LocalBackend
) -> CollectSummary:
    """Play what `cfg` describes and store it under `<root>/<data set name>`; returns when everything is on
    the disk.

    make_backend: from a number of workers to where they run; it never changes what is collected.

    Episodes that the data set already holds are not played again. Ctrl-C and SIGTERM raise KeyboardInterrupt
    after the finished episodes and an index over them were written. Raises `UserError` where a game cannot be
    played, the folder holds another kind of data set, or the disk is full, and `GamesFailed` after everything else was
    played where a game had to be given up; what was finished before stays whole.
    """
    began = time.perf_counter()
    games = playable_games(cfg)
    groups = plan_groups(cfg, games)
    _say_plan(cfg, groups)
    spec = DatasetSpec(
        name=cfg.connector.dataset_name,
        image_size=cfg.connector.image_size,
        action_names=_common_actions(games),
        created_by=_provenance(cfg),
    )
    path = user_path(cfg.root) / spec.name
    with (
        _sigterm_interrupts(),
        progress or DisplayReporter() as reporter,
        DatasetWriter(path, spec) as writer,
    ):
        _check_continues(writer.spec, spec, path)
        works = all_work(cfg, groups, {meta.id: meta for meta in writer.metas})
        try:
            lost = _play(cfg, works, writer, reporter, make_backend)
        except KeyboardInterrupt:
            log.warning("%s: stopped with %d episodes stored; the same command continues from here", path, len(writer))
            raise
        summary = CollectSummary(
            path=path,
            **writer.growth,
            lost=lost,
            seconds=time.perf_counter() - began,
            skipped=tuple(game for game in configured_games(cfg.connector) if game not in games),
            failed={work.group.facts.game: work.given_up for work in works if work.given_up},
        )
        if summary.failed:
            raise GamesFailed(summary)
    return replace(summary, seconds=time.perf_counter() - began)


def _say_plan(cfg: CollectConfig, groups: Sequence[Group]) -> None:
    """Say what will be played. Raises `UserError` where it is too much to be played unasked."""
    planned = check_amount(groups, cfg.connector.image_size, cfg.max_gb)
    log.info("plan: %s", planned)
    for split in cfg.connector.splits:
        levels = cfg.connector.levels(split)
        if cfg.connector.sessions(split) == 1 < levels:
            log.warning(
                "connector.splits '%s': n_sessions=1 is one episode of a game, on one of %d levels; leave it out to "
                "play every level once",
                split.name,
                levels,
            )


def _play(
    cfg: CollectConfig,
    works: Sequence[Work],
    writer: DatasetWriter,
    reporter: SilentReporter,
    make_backend: Callable[[int], Backend],
) -> int:
    """Play and store what is missing; returns how many episodes had to be played again."""
    tally = Tally(works, reporter)
    tally.show()
    policies = Policies()
    todo = [(work, policies.get(work.policy)) for work in works if work.is_open]
    alone = [work for work, policy in todo if policy.plays_alone]
    lost = 0
    with Shelf(writer) as shelf:
        if alone:
            workers = cfg.connector.generator_config.n_workers or cores()
            with closing(make_backend(workers)) as backend:
                engine = Engine(alone, backend, shelf, tally)
                engine.run()
            lost += engine.lost
        with closing(LockStep(shelf, tally)) as lockstep:
            for work, policy in todo:
                if not policy.plays_alone and work.is_open:
                    try:
                        lockstep.run(work, policy)
                    except GameDied as error:
                        lockstep.close()
                        give_up(works, work.group.game, str(error))
            lost += lockstep.lost
    tally.show()
    return lost


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
    made_with, wanted = then["connector"], now["connector"]
    keys = [key for key in wanted if key in made_with and key not in _MAY_GROW]
    if "agent" in made_with:  # what it may hold has grown
        made_with["agent"] = {**asdict(AgentConfig()), **made_with["agent"]}
    check_continues(path, *({f"connector.{key}": values[key] for key in keys} for values in (made_with, wanted)))
    steps = [values.get("generator_config", {}).get("n_steps_max") for values in (made_with, wanted)]
    check_continues(path, *({"connector.generator_config.n_steps_max": count} for count in steps))


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
