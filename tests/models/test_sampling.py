"""Schedules against the published numbers; properties of the decoding loop."""

import json
import math

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
    decoded = decode_masked(logits, start, CODES, sampling, lambda step: noise[:, step])
    tokens = decoded.tokens
    assert (seen[0] == MASK).all()
    for before, after in zip(seen, [*seen[1:], tokens], strict=True):
        decided = before != MASK
        assert torch.equal(after[decided], before[decided])
    assert ((tokens > 0) & (tokens < MASK)).all()
    assert torch.isfinite(decoded.entropy).all()
    assert len(seen) == steps


def test_the_surest_tokens_are_decided_first() -> None:
    sure = torch.tensor([[0.5, 3.0, 1.0, 2.0]])
    seen: list[Tensor] = []

    def logits(tokens: Tensor) -> Tensor:
        seen.append(tokens)
        return torch.stack([sure, torch.zeros_like(sure)], -1)

    decode_masked(logits, torch.full((1, 4), 2), torch.eye(2), Sampling(steps=4, temperature=0, schedule="uniform"))
    assert [row[0].tolist() for row in seen] == [[2, 2, 2, 2], [2, 0, 2, 2], [2, 0, 2, 0], [2, 0, 0, 0]]


@pytest.mark.parametrize("steps", [1, 2, 8, 25])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_published_rule(steps: int, temperature: float) -> None:
    """Against a second writing of it: all tokens are drawn anew, and the least sure of the hidden ones hidden again."""
    generator = torch.Generator().manual_seed(steps)
    weight = torch.randn(MASK + 1, 12, MASK, generator=generator)
    noise = torch.randn(steps, 2, 12, MASK, generator=generator)
    seen: list[Tensor] = []

    def logits(tokens: Tensor) -> Tensor:  # of every place, moved by all the others
        seen.append(tokens)
        return weight[tokens, torch.arange(12)] + weight[tokens].mean((1, 2))[:, None]

    start = torch.full((2, 12), MASK)
    sampling = Sampling(steps=steps, temperature=temperature, decided="published")
    decoded = decode_masked(logits, start, CODES, sampling, lambda step: noise[step]).tokens
    ids, doubts, inputs = start, torch.zeros(2, 12), seen.copy()
    for k in range(steps):
        if k:
            count = math.floor(max(math.cos(math.pi / 2 * (k + 1) / steps), 1e-6) * 12)
            for row in range(2):
                for place in sorted(range(12), key=lambda n: -float(doubts[row, n]))[:count]:
                    ids[row, place] = MASK
        assert torch.equal(ids, inputs[k])
        said = logits(ids)
        drawn = (said + temperature * (steps - 1 - k) / steps * noise[k]).argmax(-1)
        chance = said.softmax(-1).gather(-1, drawn[..., None])[..., 0]
        doubts = torch.where(ids == MASK, 1 - chance, -1e4)
        ids = drawn.clone()
    assert torch.equal(decoded, ids)


def test_the_published_rule_hides_as_many_as_published() -> None:
    hidden = json.loads((FIXTURES / "schedules.json").read_text())["cosine_num_masked_of_2560_25steps"]
    seen: list[int] = []

    def logits(tokens: Tensor) -> Tensor:
        seen.append(int((tokens == MASK).sum()))
        return torch.randn(1, tokens.shape[1], MASK, generator=torch.Generator().manual_seed(len(seen)))

    start = torch.full((1, 2560), MASK)
    decode_masked(logits, start, CODES, Sampling(steps=25, temperature=0, decided="published"))
    assert seen[1:] == hidden


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
    joint = decode_masked(logits, start, torch.eye(2), sampling, lambda step: noise[:, step]).tokens
    assert (joint[:, 0] == joint[:, 1]).all()
    assert 20 < int(joint[:, 0].sum()) < 180


def test_the_mean_choice_takes_the_middle() -> None:
    """Codes on a line at 0, 1, 2: two likely ends have their middle as mean, and as mode an end."""
    codes = torch.tensor([[0.0], [1.0], [2.0]])

    def logits(tokens: Tensor) -> Tensor:
        return torch.tensor([2.0, 0.0, 2.0]).expand(1, 4, 3)

    start = torch.full((1, 4), 3)
    assert (decode_masked(logits, start, codes, Sampling(choice="mean")).tokens == 1).all()
    assert (decode_masked(logits, start, codes, Sampling(choice="mode")).tokens != 1).all()
