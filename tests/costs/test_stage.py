"""How long work takes with so many workers, and where more stop helping: against arithmetic by hand."""

from dataclasses import replace

import pytest

from genieredux.costs import Machine, Stage, read_rates
from genieredux.costs.rates import KNOWN, Rate
from genieredux.errors import UserError

STAGE = Stage("s", "", "cores", 4, work_s=1000.0, units=100, unit="episodes", start_s=5.0)


def test_units_are_shared_out_in_rounds() -> None:
    assert STAGE.seconds(1) == 5 + 1000
    assert STAGE.seconds(10) == 5 + 100
    assert STAGE.seconds(99) == 5 + 20  # one worker does two of the hundred
    assert STAGE.seconds(100) == STAGE.seconds(10_000) == 5 + 10
    assert STAGE.seconds() == 5 + 250
    assert (STAGE.stops_at, STAGE.limit, STAGE.bound) == (100, "episodes", "4 cores")


def test_what_is_done_once_for_all_bounds_the_rest() -> None:
    stage = replace(STAGE, shared_s=40.0, shared="disk")
    assert stage.seconds(10) == 5 + 100
    assert stage.seconds(25) == stage.seconds(1000) == 5 + 40
    assert (stage.stops_at, stage.limit) == (25, "disk")
    assert stage.seconds(24) > stage.seconds(25)
    assert replace(stage, workers=30).bound == "disk"
    assert replace(stage, times=3).total_s == 3 * (5 + 250)


@pytest.mark.parametrize("shared", [0.0, 3.0, 10.0, 17.0, 40.0, 130.0, 999.0, 5000.0])
def test_nothing_is_faster_beyond_the_stop_and_everything_slower_before_it(shared: float) -> None:
    stage = replace(STAGE, shared_s=shared, shared="disk")
    stop = stage.stops_at
    assert stage.seconds(stop) == stage.seconds(10**6)
    assert stop == 1 or stage.seconds(stop - 1) > stage.seconds(stop)


def test_devices_share_a_training_over_the_network_or_within_a_machine() -> None:
    assert Machine(gpus=8, link_gb_s=25).together(8) == [(8, 25e9)]
    assert Machine(machines=3, gpus=8, network_gbit_s=10).together(24) == [(24, 1.25e9), (8, 25e9)]
    assert Machine(machines=3, cores=4).devices == 12
    assert Machine(machines=3, cores=4, gpus=2).devices == 6


def test_a_machine_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="cores is 0; it must be from 1"):
        Machine(cores=0)
    with pytest.raises(UserError, match="mfu is 2"):
        Machine(mfu=2.0)


def test_every_rate_of_the_packaged_table_says_how_it_is_known() -> None:
    rates = read_rates(None)
    assert rates.model("tokenizer").parameters.value == 101_563_208
    assert rates.playing("retro").frames_s.known == "measured"
    assert {rate.known for rate in rates.gpus.values()} == {"stated"}
    assert rates.gpu_mfu.known == "assumed"
    with pytest.raises(UserError, match="did you mean 'h100'"):
        rates.tflops("h10")
    with pytest.raises(UserError, match="no games of kind 'ale'"):
        rates.playing("ale")
    with pytest.raises(UserError, match="did you mean measured"):
        Rate(1.0, "mesured", "x")
    assert len(KNOWN) == 3
