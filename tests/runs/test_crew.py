"""A function over many tasks by several workers: in order, once each, whatever becomes of the workers."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from genieredux.errors import UserError
from genieredux.runs.backends import Refused
from genieredux.runs.backends.crew import MAX_DEATHS, Alone, Hand, crew


def bench(base: int, rank: int) -> tuple[int, int]:
    return base, rank


def add(bench: tuple[int, int], task: int) -> tuple[int, int]:
    return bench[0] + task, os.getpid()


def die_sometimes(bench: tuple[int, int], task: tuple[int, Path, int]) -> int:
    """Task 3 kills its process so often."""
    number, folder, times = task
    deaths = len(list(folder.iterdir()))
    if number == 3 and deaths < times:
        (folder / str(deaths)).touch()
        os._exit(7)
    return number


def fail(bench: tuple[int, int], task: int) -> int:
    if task == 2:
        raise ZeroDivisionError("a defect")
    if task == 5:
        raise UserError("a slip")
    return task


class Odd(Exception):
    """Cannot be made of its own arguments, and so not be sent."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def fail_oddly(bench: Any, task: int) -> int:
    raise Odd(task, 1)


def test_results_come_in_order_from_several_processes_that_live_on() -> None:
    with crew(partial(bench, 100), 3, "") as team:
        first = list(team.map(add, range(20)))
        second = list(team.map(add, iter(range(5))))
    assert [number for number, _ in first] == [100 + n for n in range(20)]
    assert [number for number, _ in second] == [100 + n for n in range(5)]
    pids = {pid for _, pid in first}
    assert len(pids) == 3
    assert os.getpid() not in pids
    assert {pid for _, pid in second} <= pids
    assert list(Alone((100, 0)).map(add, range(3))) == [(100 + n, os.getpid()) for n in range(3)]


def test_what_a_dead_process_had_is_done_by_others(tmp_path: Path) -> None:
    with crew(partial(bench, 0), 2, "") as team:
        assert list(team.map(die_sometimes, [(n, tmp_path, MAX_DEATHS - 1) for n in range(8)])) == list(range(8))
    assert len(list(tmp_path.iterdir())) == MAX_DEATHS - 1


def test_a_task_that_kills_again_ends_it_with_advice(tmp_path: Path) -> None:
    with (
        crew(partial(bench, 0), 2, "take fewer") as team,
        pytest.raises(UserError, match=r"died at the same task.*exit code 7.*take fewer"),
    ):
        list(team.map(die_sometimes, [(n, tmp_path, 99) for n in range(8)]))
    assert len(list(tmp_path.iterdir())) == MAX_DEATHS


def test_what_is_raised_is_raised_where_its_turn_is() -> None:
    with crew(partial(bench, 0), 2, "") as team:
        results = team.map(fail, range(4))
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ZeroDivisionError, match="a defect"):
            next(results)
        with pytest.raises(UserError, match="a slip"):
            list(team.map(fail, [5]))
        with pytest.raises(RuntimeError, match="Odd: 4 and 1"):
            list(team.map(fail_oddly, [4]))
        assert list(team.map(fail, [7, 8])) == [7, 8]  # it goes on being of use


def echo(bench: Any, task: bytes) -> bytes:
    return task


def test_tasks_and_results_that_no_socket_holds_do_not_block_each_other() -> None:
    large = bytes(3 << 20)
    with crew(partial(bench, 0), 1, "") as team:
        assert all(result == large for result in team.map(echo, [large] * 6))


@pytest.mark.slow
def test_actors_of_a_cluster_do_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with crew(partial(bench, 100), 2, "", "ray", "local", "eval") as team:
        done = list(team.map(add, range(9)))
        assert [number for number, _ in done] == [100 + n for n in range(9)]
        assert os.getpid() not in {pid for _, pid in done}
        assert list(team.map(die_sometimes, [(n, tmp_path, MAX_DEATHS - 1) for n in range(6)])) == list(range(6))
        with pytest.raises(UserError, match="a slip"):
            list(team.map(fail, [5]))
        assert list(team.map(echo, [bytes(3 << 20)] * 3)) == [bytes(3 << 20)] * 3


def open_nothing(rank: int) -> None:
    raise UserError("there is no such model")


def test_a_bench_that_cannot_be_made_is_said_in_its_line() -> None:
    import pickle

    hand = Hand(pickle.dumps(open_nothing), None)
    assert list(hand.run((0, 1, b"")))[1:] == [Refused("there is no such model")]
    assert list(hand.run((0, 2, b"")))[1:] == [Refused("there is no such model")]
