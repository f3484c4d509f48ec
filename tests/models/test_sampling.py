"""Schedules against the published numbers; properties of the decoding loop."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genieredux.errors import UserError
from genieredux.models.sampling import Sampling, decode_masked, mask_ratio
from published_cases import FIXTURES

MASK = 7
CODES = torch.eye(MASK)


@pytest.mark.parametrize("schedule", ["uniform", "pow2", "cosine", "log", "exp"])
def test_schedules_are_the_published_ones(schedule: str) -> None:
    published = json.loads((FIXTURES / "schedules.json").read_text())[schedule]
    for steps, ratios in published.items():
        ours = [mask_ratio(schedule, (k + 1) / int(steps), 2560) for k in range(1, int(steps))]
        assert ours == pytest.approx(ratios, abs=2e-6)


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(UserError, match=r"sampling.schedule is 'cosin'.*cosine"):
        Sampling(schedule="cosin")


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 9),
    schedule=st.sampled_from(["uniform", "pow2", "cosine", "log", "exp"]),
    seed=st.integers(0, 1000),
    temperature=st.sampled_from([0.0, 1.0, 3.0]),
    choice=st.sampled_from(["mode", "mean"]),
)
def test_every_logit_that_is_read_is_of_a_hidden_token_and_a_decided_one_stays(
    steps: int, schedule: str, seed: int, temperature: float, choice: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    seen: list[Tensor] = []

    def logits(tokens: Tensor) -> Tensor:
        """Infinite for an absurd choice at decided places: reading one of those would show."""
        seen.append(tokens.clone())
        scores = torch.randn(2, 12, MASK, generator=generator)
        scores[..., 0] = torch.where(tokens == MASK, scores[..., 0] - 100, 1e9)
        return scores

    start = torch.full((2, 12), MASK)
    noise = torch.randn(2, max(steps - 1, 1), 12, MASK, generator=generator)
    sampling = Sampling(steps=steps, schedule=schedule, temperature=temperature, choice=choice)
    tokens, entropy = decode_masked(logits, start, CODES, sampling, lambda step: noise[:, step])
    assert (seen[0] == MASK).all()
    for before, after in zip(seen, [*seen[1:], tokens], strict=True):
        decided = before != MASK
        assert torch.equal(after[decided], before[decided])
    assert ((tokens > 0) & (tokens < MASK)).all()
    assert torch.isfinite(entropy).all()
    assert len(seen) == steps


def test_a_refinement_step_changes_what_it_refines() -> None:
    """Two tokens that must agree: alone each is a coin toss, together the second sees the first."""

    def logits(tokens: Tensor) -> Tensor:
        scores = torch.zeros(len(tokens), 2, 2)
        other = tokens.flip(1)
        known = other != 2
        scores[known] = torch.nn.functional.one_hot(other[known], 2).float() * 50
        return scores

    noise = torch.randn(200, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    start = torch.full((200, 2), 2)
    sampling = Sampling(steps=2, temperature=1.0, schedule="uniform")
    joint, _ = decode_masked(logits, start, torch.eye(2), sampling, lambda step: noise[:, step])
    assert (joint[:, 0] == joint[:, 1]).all()
    assert 20 < int(joint[:, 0].sum()) < 180


def test_the_mean_choice_takes_the_middle() -> None:
    """Codes on a line at 0, 1, 2: two likely ends have their middle as mean, and as mode an end."""
    codes = torch.tensor([[0.0], [1.0], [2.0]])

    def logits(tokens: Tensor) -> Tensor:
        return torch.tensor([2.0, 0.0, 2.0]).expand(1, 4, 3)

    start = torch.full((1, 4), 3)
    assert (decode_masked(logits, start, codes, Sampling(choice="mean"))[0] == 1).all()
    assert (decode_masked(logits, start, codes, Sampling(choice="mode"))[0] != 1).all()
