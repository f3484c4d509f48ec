"""How averaged codes follow their inputs, by hand: the decay, the revival, the loss and its gradient."""

import math

import pytest
import torch
from torch import Tensor

from genieredux.nn.quantize import VectorQuantize, VectorQuantizeConfig

DECAY = 0.75


def quantizer(codes: list[list[float]], revive_below: float = 1e-6) -> VectorQuantize:
    """Codes in the plane; inputs are taken as they are."""
    config = VectorQuantizeConfig(
        codebook_size=len(codes), codebook_dim=2, rule="ema", decay=DECAY, revive_below=revive_below, commitment=0.5
    )
    made = VectorQuantize(2, config).train()
    with torch.no_grad():
        for layer in (made.project_in, made.project_out):
            layer.weight.copy_(torch.eye(2))
            layer.bias.zero_()
        made.codebook.copy_(torch.tensor(codes))
        made.code_sum.copy_(torch.tensor(codes) * 4)
        made.cluster_size.fill_(4.0)
        made.initialised.fill_(True)
    return made


def towards(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], -1)


def test_sums_and_sizes_keep_the_decayed_past() -> None:
    made = quantizer([[1.0, 0.0], [0.0, 1.0]])
    inputs = towards(10, 30, 80)
    made(inputs, torch.Generator().manual_seed(0))
    sizes = torch.tensor([4 * DECAY + 2 * (1 - DECAY), 4 * DECAY + 1 * (1 - DECAY)])
    sums = torch.stack(
        [
            torch.tensor([4.0, 0.0]) * DECAY + (inputs[0] + inputs[1]) * (1 - DECAY),
            torch.tensor([0.0, 4.0]) * DECAY + inputs[2] * (1 - DECAY),
        ]
    )
    torch.testing.assert_close(made.cluster_size, sizes)
    torch.testing.assert_close(made.code_sum, sums)
    torch.testing.assert_close(made.codebook, sums / sums.norm(dim=1, keepdim=True))


def test_a_code_that_nothing_uses_goes_to_an_input_that_is_badly_served() -> None:
    made = quantizer([[1.0, 0.0], [-1.0, 0.0]], revive_below=0.9)
    for step in range(3):
        made(towards(0, 0, 0, 60), torch.Generator().manual_seed(step))
    angle = math.degrees(math.atan2(made.codebook[1, 1].item(), made.codebook[1, 0].item()))
    assert -1 < angle < 61, "the dead code still points to where no input is"
    kept = quantizer([[1.0, 0.0], [-1.0, 0.0]], revive_below=1e-6)
    kept(towards(0, 0, 0, 60), torch.Generator().manual_seed(0))
    torch.testing.assert_close(kept.codebook[1], torch.tensor([-1.0, 0.0]))


def test_inputs_are_pulled_to_their_codes_and_errors_reach_them_unchanged() -> None:
    made = quantizer([[1.0, 0.0], [0.0, 1.0]])
    inputs = towards(30).requires_grad_()
    out = made(inputs, torch.Generator().manual_seed(0))
    square = (towards(30) - torch.tensor([[1.0, 0.0]])).square().mean()
    torch.testing.assert_close(out.loss, 0.5 * square)
    (across,) = torch.autograd.grad(out.vectors[0, 1], inputs, retain_graph=True)
    (pull,) = torch.autograd.grad(out.loss, inputs)
    # The input is scaled to unit length first, so what reaches it is the part across its direction.
    direction = towards(30)[0]
    unit = torch.tensor([0.0, 1.0])
    torch.testing.assert_close(across[0], unit - direction * (unit @ direction))
    assert (pull[0] @ torch.tensor([0.0, 1.0])) > 0, "the loss grows with the distance from the code"


@pytest.mark.parametrize(("degrees", "expected"), [((0, 1, 2, 3), 1.0), ((0, 1, 89, 90), 2.0)])
def test_perplexity_counts_the_codes_in_use(degrees: tuple[float, ...], expected: float) -> None:
    made = quantizer([[1.0, 0.0], [0.0, 1.0]]).eval()
    assert made(towards(*degrees)).perplexity.item() == pytest.approx(expected)
