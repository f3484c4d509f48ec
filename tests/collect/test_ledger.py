"""Ledgers: the same episodes belong into a data set whatever the order in which they end."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.collect.ledger import Ledger
from genieredux.collect.plan import Group
from genieredux.envs import GameFacts
from genieredux.episodes.block_file import EpisodeMeta
from genieredux.errors import UserError

LONGEST = 30


def group(num_episodes=None, num_frames=None):
    return Group(GameFacts("g", "c", ("A",)), "g", "train", "random", 0, 0, 5, num_episodes, num_frames, LONGEST)


def length_of(planned):
    """An episode's length, as its game decides it."""
    return 1 + planned.start.seed % LONGEST


def meta_of(planned):
    facts = dict.fromkeys(("total_reward", "seed"), 0) | dict.fromkeys(("terminated", "truncated"), False)
    facts |= dict.fromkeys(("tags", "shape", "action_counts"), ()) | {"info_dtypes": {}, "checksum": ""}
    facts |= dict.fromkeys(("game", "console", "policy", "split"), "x")
    return EpisodeMeta(id=planned.id, length=length_of(planned), instance=planned.start.instance, **facts)


def wanted(one):
    """The episodes that belong in, by definition: the first of the plan that reach the amount."""
    ids, frames = [], 0
    for planned in one.episodes():
        if one.num_frames is not None and frames >= one.num_frames:
            break
        ids.append(planned.id)
        frames += length_of(planned)
    return ids


def planned_of(one, ids):
    return [planned for planned in islice(one.episodes(), 800) if planned.id in ids]


def play(ledger, order, workers, fails=0.0):
    """Let `workers` play in an order drawn from `order`; some episodes are given back. Returns what was stored."""
    flying, stored = [], []
    while True:
        while len(flying) < workers and (taken := ledger.take(int(order.integers(1, 4)))):
            flying += taken
        if not flying:
            return stored
        planned = flying.pop(int(order.integers(len(flying))))
        if order.random() < fails:
            ledger.give_back(planned)
        else:
            stored += ledger.arrived(planned, length_of(planned), planned.id)


def test_those_given_back_come_again_in_the_order_of_the_plan():
    ledger = Ledger(group(10), {})
    taken = ledger.take(4)
    for number in (2, 0, 3, 1):
        ledger.give_back(taken[number])
    assert [planned.number for planned in ledger.take(5)] == [0, 1, 2, 3, 4]


amounts = st.one_of(st.integers(1, 40).map(lambda n: group(n)), st.integers(1, 700).map(lambda n: group(None, n)))


@given(amounts, st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.0, 0.3]))
@settings(max_examples=150, deadline=None)
def test_exactly_the_wanted_episodes_are_let_through(one, workers, seed, fails):
    ledger = Ledger(one, {})
    stored = play(ledger, np.random.default_rng(seed), workers, fails)
    assert len(stored) == len(set(stored))
    assert set(stored) == set(wanted(one))
    assert ledger.is_complete()
    assert ledger.missing() == 0
    assert ledger.take(5) == ()
    assert ledger.episodes == len(stored)
    assert ledger.frames == ledger.expected_frames(1.0) == sum(map(length_of, planned_of(one, stored)))


@given(amounts, st.integers(1, 6), st.integers(0, 10**6), st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_a_second_run_fills_the_gaps_and_nothing_else(one, workers, seed, share):
    order = np.random.default_rng(seed)
    whole = wanted(one)
    kept = {name for name in whole if order.random() < share}
    stored = {planned.id: meta_of(planned) for planned in planned_of(one, kept)}
    added = play(Ledger(one, stored), order, workers)
    assert not set(added) & kept
    assert set(added) | kept == set(whole)


def test_an_amount_in_episodes_is_stored_as_it_comes():
    ledger = Ledger(group(6), {})
    planned = ledger.take(6)
    assert ledger.arrived(planned[4], 10, "late") == ["late"]
    assert ledger.arrived(planned[4], 10, "again") == []


def test_an_episode_waits_only_while_it_may_be_one_too_many():
    ledger = Ledger(group(None, 5 * LONGEST), {})
    planned = ledger.take(5)
    assert len(planned) == 5
    assert ledger.arrived(planned[3], 10, "fourth") == ["fourth"]  # even three of the longest do not reach the amount
    assert ledger.arrived(planned[1], 2, "second") == ["second"]
    assert ledger.missing() >= 2


def test_no_more_is_handed_out_than_the_amount_needs():
    ledger = Ledger(group(None, 10 * LONGEST), {})
    assert len(ledger.take(100)) == 10  # so far each may be of the longest
    assert ledger.take(100) == ()


def test_a_stored_episode_of_another_level_is_an_error():
    one = group(3)
    first = next(iter(one.episodes()))
    stored = {first.id: meta_of(first)}
    object.__setattr__(stored[first.id], "instance", first.start.instance + 1)
    with pytest.raises(UserError, match="rename the split"):
        Ledger(one, stored)
