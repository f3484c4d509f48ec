"""Which demos train a tokenizer first."""

import pytest

from genieredux.demo.pipeline import of_tokens
from genieredux.training.jobs import JobConfig


@pytest.mark.parametrize("model", ["genie_redux_guided", "genie_redux"])
@pytest.mark.parametrize(("architecture", "expected"), [("canvas", False), ("history_refiner", True)])
def test_a_world_that_carries_over_needs_no_tokenizer_whatever_steers_it(model, architecture, expected):
    assert of_tokens(JobConfig(model=model, dynamics={"architecture": architecture})) is expected
