"""The order in which tokens are decided, what is decided, and how much noise there is: small cases worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from genieredux.models.sampling import Sampling, decode_masked, expected_token, mask_ratio

CODES = torch.eye(3)
HIDDEN = len(CODES)
SURENESS = torch.tensor([0.4, 0.9, 0.6, 0.7, 0.5])


def start(count: int = 5, clips: int = 1) -> Tensor:
    return torch.full((clips, count), HIDDEN)


def logits_of(sureness: Tensor) -> Tensor:
    """(1, n, 3): token 2 with this probability, the rest shared."""
    rest = (1 - sureness) / 2
    return torch.stack([rest, rest, sureness], -1).log()[None]


def watched(sampling: Sampling, logits: Tensor) -> list[Tensor]:
    """The tokens that the network is shown before each step, and the outcome."""
    shown: list[Tensor] = []

    def predict(tokens: Tensor) -> Tensor:
        shown.append(tokens.clone())
        return logits.clone()

    tokens = decode_masked(predict, start(), CODES, sampling).tokens
    return [*shown, tokens]


@pytest.mark.parametrize("schedule", ["cosine", "uniform", "pow2", "exp"])
def test_the_surest_tokens_are_decided_first_as_many_as_the_schedule_says(schedule: str) -> None:
    steps = 4
    shown = watched(Sampling(steps=steps, temperature=0.0, schedule=schedule), logits_of(SURENESS))
    order = SURENESS.argsort(descending=True)
    for step in range(1, steps):
        left = int(mask_ratio(schedule, step / steps, 5) * 5)
        decided = (shown[step][0] != HIDDEN).nonzero().flatten().tolist()
        assert decided == sorted(order[: 5 - left].tolist()), f"step {step}"
    assert (shown[-1] == 2).all()


def test_known_schedules() -> None:
    assert mask_ratio("cosine", 1 / 3, 16) == pytest.approx(math.cos(math.pi / 6))
    assert mask_ratio("cosine", 0.0, 16) == 1
    assert mask_ratio("uniform", 0.25, 16) == 0.75


def test_a_token_that_is_decided_stays_when_the_network_changes_its_mind() -> None:
    step = iter(range(10))

    def predict(tokens: Tensor) -> Tensor:
        wanted = 2 if next(step) == 0 else 1
        logits = torch.full((1, 5, 3), -4.0)
        logits[..., wanted] = logits_of(SURENESS)[..., 2] + 4
        return logits

    sampling = Sampling(steps=2, temperature=0.0, schedule="uniform")
    tokens = decode_masked(predict, start(), CODES, sampling).tokens
    assert sorted(tokens[0].tolist()) == [1, 1, 2, 2, 2]
    assert tokens[0, 1] == 2  # the surest of the first step


@pytest.mark.parametrize(("strength", "changes"), [(1.9, False), (2.1, True)])
def test_the_noise_of_the_first_of_two_steps_counts_half(strength: float, changes: bool) -> None:
    asked: list[int] = []

    def noise(step: int) -> Tensor:
        asked.append(step)
        return torch.tensor([[[strength, 0.0, 0.0]]])

    logits = torch.tensor([[[0.0, 1.0, -9.0]]])
    first: list[Tensor] = []

    def predict(tokens: Tensor) -> Tensor:
        first.append(tokens.clone())
        return logits.clone()

    sampling = Sampling(steps=2, temperature=1.0, schedule="exp")
    hidden = start(1)
    tokens = decode_masked(predict, hidden, CODES, sampling, noise).tokens
    assert asked == [0]  # the last step is an arg-max
    assert tokens.item() == (0 if changes else 1)


def test_the_last_step_takes_the_likeliest_whatever_the_noise() -> None:
    logits = torch.tensor([[[0.0, 1.0, -9.0]]])
    loud = torch.tensor([[[99.0, 0.0, 0.0]]])
    tokens = decode_masked(lambda _: logits, start(1), CODES, Sampling(steps=1), lambda _: loud).tokens
    assert tokens.item() == 1


def test_mean_takes_the_code_nearest_to_the_expected_one() -> None:
    codes = torch.tensor([[0.0], [0.4], [1.0]])
    logits = torch.tensor([[[0.45, 0.1, 0.45]]]).log()  # the mean is 0.49
    mean = decode_masked(lambda _: logits, start(1), codes, Sampling(choice="mean")).tokens
    mode = decode_masked(lambda _: logits, start(1), codes, Sampling(choice="mode")).tokens
    assert (mean.item(), mode.item()) == (1, 0)
    far = torch.tensor([[1.0], [2.0], [10.0]])  # by distance, not by inner product
    logits = torch.tensor([[[0.25, 0.7, 0.05]]]).log()  # the mean is 2.15
    assert decode_masked(lambda _: logits, start(1), far, Sampling(choice="mean")).tokens.item() == 1


def test_entropy_is_that_of_the_first_prediction_in_nats() -> None:
    step = iter(range(10))

    def predict(tokens: Tensor) -> Tensor:
        return torch.zeros(1, 5, 3) if next(step) == 0 else logits_of(torch.full((5,), 0.98))

    entropy = decode_masked(predict, start(), CODES, Sampling(steps=3, temperature=0.0)).entropy
    torch.testing.assert_close(entropy, torch.full((1, 5), math.log(3)))


def test_what_decides_tokens_is_of_float32_whatever_the_networks_give() -> None:
    generator = torch.Generator().manual_seed(0)
    halves = (3 * torch.randn(4, 50, 32, generator=generator)).bfloat16()
    codes = torch.randn(32, 8, generator=generator)
    made = decode_masked(lambda tokens: halves, torch.full((4, 50), 32), codes, Sampling())
    log_p = halves.double().log_softmax(-1)
    assert made.entropy.dtype == made.logits.dtype == torch.float32
    torch.testing.assert_close(made.entropy.double(), -(log_p.exp() * log_p).sum(-1), atol=1e-5, rtol=0)


def test_the_expected_token_is_the_nearest_in_float32_also_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (3 * torch.randn(2000, 64, generator=generator)).softmax(-1)
    codes = 2 + torch.randn(64, 8, generator=generator)
    expected = torch.cdist(probabilities.double() @ codes.double(), codes.double()).argmin(-1)
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            assert (expected_token(probabilities, codes) == expected).double().mean() > 0.999
    with torch.autocast("cpu", dtype=torch.bfloat16):  # what it would be, so that this test can fail
        rounded = (probabilities @ codes @ codes.t() - codes.square().sum(-1) / 2).argmax(-1)
    assert (rounded == expected).double().mean() < 0.97
