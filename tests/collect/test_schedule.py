"""Scheduling: all games are one queue, workers change games rarely, and none waits for a game to end."""

import pytest

from genieredux.collect import CollectConfig, ConnectorConfig, GeneratorConfig, SplitConfig
from genieredux.collect.engine import give_up
from genieredux.collect.plan import plan_groups
from genieredux.collect.schedule import Schedule, all_work
from genieredux.envs import GameFacts


def works_of(games, sessions):
    splits = (SplitConfig("train", n_sessions=sessions), SplitConfig("test", "held", n_sessions=2))
    connector = ConnectorConfig(kind="fake", games=games, splits=splits, generator_config=GeneratorConfig(n_workers=9))
    cfg = CollectConfig(connector)
    return all_work(cfg, plan_groups(cfg, {game: GameFacts(game, "Fake", ("A", "B")) for game in games}), {})


def deal(schedule, workers, works):
    """Everybody takes tasks in turns, each done at once; what each worker got, game by game."""
    got, idle = {worker: [] for worker in range(workers)}, False
    while not idle:
        idle = True
        for worker in range(workers):
            if (task := schedule.next_task(worker)) is not None:
                idle = False
                got[worker].append(task)
                for planned in task.episodes:
                    works[task.number].ledger.arrived(planned, 10, planned.id)
    return got


@pytest.mark.parametrize(("games", "workers"), [(5, 2), (2, 5), (33, 4), (1, 3)])
def test_every_episode_is_played_once_and_games_change_rarely(games, workers):
    works = works_of(tuple(f"G{k:02d}" for k in range(games)), sessions=24)
    got = deal(Schedule(works, workers), workers, works)
    ids = [planned.id for tasks in got.values() for task in tasks for planned in task.episodes]
    assert len(ids) == len(set(ids)) == games * 26
    assert all(work.ledger.is_complete() for work in works)
    counts = [sum(len(task.episodes) for task in tasks) for tasks in got.values()]
    assert max(counts) <= 1.5 * min(counts) + 8
    opened = 0
    for tasks in got.values():
        played = [works[task.number].group.game for task in tasks]
        opened += sum(one != other for one, other in zip(played, [None, *played], strict=False))
    assert opened <= games + 3 * workers


def test_the_first_games_go_to_different_workers():
    works = works_of(("A", "B", "C"), sessions=50)
    schedule = Schedule(works, 3)
    first = [schedule.next_task(worker) for worker in range(3)]
    assert [works[task.number].group.game for task in first] == ["A", "B", "C"]
    assert all(task.env.num_workers == 1 for task in first)


def test_tasks_become_small_towards_the_end():
    works = works_of(("A",), sessions=40)
    got = deal(Schedule(works, 2), 2, works)
    sizes = [len(task.episodes) for turn in zip(*got.values(), strict=False) for task in turn]
    assert sizes[0] == 4
    assert sizes[-1] == 1


def test_a_game_that_is_given_up_is_dealt_no_more(caplog):
    works = works_of(("A", "B"), sessions=10)
    schedule = Schedule(works, 1)
    assert works[schedule.next_task(0).number].group.game == "A"
    give_up(works, "A", "it broke")
    give_up(works, "A", "it broke again")
    assert caplog.text.count("given up") == 1
    assert works[schedule.next_task(0).number].group.game == "B"
    got = deal(schedule, 1, works)
    assert {works[task.number].group.game for task in got[0]} == {"B"}
