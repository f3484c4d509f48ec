"""The categorical quantiser: the common contract, seeded draws, and gradients that reach every code."""

import pytest
import torch

from genieredux.nn.categorical import CategoricalQuantize


@pytest.fixture
def quantiser() -> CategoricalQuantize:
    torch.manual_seed(0)
    return CategoricalQuantize(8, 5)


def test_evaluation_takes_the_likeliest_code_and_is_exact(quantiser: CategoricalQuantize) -> None:
    x = torch.randn(3, 4, 8)
    found = quantiser.eval()(x)
    assert torch.equal(found.ids, quantiser.encode(x))
    assert torch.equal(found.vectors, quantiser.codes(found.ids))
    assert found.loss == 0


def test_training_draws_with_the_generator(quantiser: CategoricalQuantize) -> None:
    x = torch.zeros(1000, 8)
    quantiser.train()
    first = quantiser(x, torch.Generator().manual_seed(1)).vectors
    again = quantiser(x, torch.Generator().manual_seed(1)).vectors
    other = quantiser(x, torch.Generator().manual_seed(2)).vectors
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    drawn = {int((row - quantiser.codebook).norm(dim=-1).argmin()) for row in first}
    assert drawn == set(range(5))


def test_vectors_are_codes_while_training_too(quantiser: CategoricalQuantize) -> None:
    vectors = quantiser.train()(torch.randn(20, 8), torch.Generator().manual_seed(0)).vectors
    distance = (vectors[:, None] - quantiser.codebook).norm(dim=-1).min(-1).values
    assert distance.max() < 1e-5


def test_gradient_reaches_codes_and_scores(quantiser: CategoricalQuantize) -> None:
    x = torch.randn(64, 8, requires_grad=True)
    found = quantiser.train()(x, torch.Generator().manual_seed(0))
    (found.vectors.square().sum() + found.loss).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in quantiser.parameters())


def test_balance_is_nothing_when_codes_are_used_equally(quantiser: CategoricalQuantize) -> None:
    quantiser.train()
    quantiser.choose.weight.data.zero_()
    quantiser.choose.bias.data.zero_()
    assert quantiser(torch.randn(10, 8)).loss.item() == pytest.approx(0, abs=1e-6)
    quantiser.choose.bias.data[0] = 100
    assert quantiser(torch.randn(10, 8)).loss.item() == pytest.approx(0.005 * torch.tensor(5.0).log().item(), rel=1e-3)


def test_one_code_is_no_codebook() -> None:
    with pytest.raises(ValueError, match="2 codes"):
        CategoricalQuantize(8, 1)
