"""What is measured is what is played: a world computes in float32 in both, unless somebody asks for less."""

import pytest
import torch

from factories import ACTIONS, make_dynamics, make_tokenizer
from genieredux.evaluation.config import EvalJobConfig
from genieredux.evaluation.opening import choose_precision, choose_sampling
from genieredux.evaluation.subjects.world import begins_alike
from genieredux.models.sampling import Sampling
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.model import WorldModel


def test_nobody_asked_for_less() -> None:
    tokenizer = make_tokenizer()
    world = WorldModel(tokenizer, make_dynamics(tokenizer), ACTIONS)
    assert world.precision == choose_precision("auto") == "32"
    with world.computing():
        assert not torch.is_autocast_enabled("cpu")


def test_a_world_is_measured_as_it_says_but_for_what_is_asked() -> None:
    tokenizer = make_tokenizer()
    world = WorldModel(tokenizer, make_dynamics(tokenizer), ACTIONS)
    assert choose_sampling(world, EvalJobConfig()) == world.sampling
    asked = {"window": 3, "temperature": 0.5, "choice": "mean", "dream_length": 1}
    made = choose_sampling(world, EvalJobConfig(inference_steps=2, **asked))  # type: ignore[arg-type]
    assert made == world.sampling.changed(2, 0.5, "mean", dream_length=1, window=3)
    assert (made.steps, made.window, made.temperature, made.choice) == (2, 3, 0.5, "mean")


def test_a_rollout_is_the_beginning_of_a_longer_one_where_its_frames_are_whole_steps() -> None:
    world = FakeWorld()
    together = Sampling(dream_length=2)
    assert [begins_alike(world, together, t) for t in (1, 2, 3, 4)] == [False, True, False, True]
    assert begins_alike(world, Sampling(), 3)
    assert not begins_alike(world, Sampling(method="one_go"), 4)


@pytest.mark.parametrize("asked", ["32", "bf16"])
def test_what_is_asked_for_is_taken(asked: str) -> None:
    assert choose_precision(asked) == asked
