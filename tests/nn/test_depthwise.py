"""The hand-written backward of the depthwise convolution gives torch's own gradients."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.nn.depthwise import depthwise_conv3d


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 3),
    frames=st.integers(1, 4),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    dim=st.sampled_from([1, 3, 16]),
    seed=st.integers(0, 99),
)
def test_output_and_gradients(batch: int, frames: int, height: int, width: int, dim: int, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(batch, frames + 2, height, width, dim, requires_grad=True)
    weight = torch.randn(dim, 1, 3, 3, 3, requires_grad=True)
    bias = torch.randn(dim, requires_grad=True)
    expected = F.conv3d(x.permute(0, 4, 1, 2, 3), weight, bias, padding=(0, 1, 1), groups=dim)
    expected = expected.permute(0, 2, 3, 4, 1)
    ours = depthwise_conv3d(x, weight, bias)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    along = torch.randn_like(expected)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight, bias), along),
        torch.autograd.grad(expected, (x, weight, bias), along),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("wanted", ["x", "weight", "bias"])
def test_only_the_gradients_that_are_needed(wanted: str) -> None:
    x, weight, bias = torch.randn(1, 4, 2, 2, 3), torch.randn(3, 1, 3, 3, 3), torch.randn(3)
    leaf = {"x": x, "weight": weight, "bias": bias}[wanted].requires_grad_()
    depthwise_conv3d(x, weight, bias).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.shape == leaf.shape


def test_follows_autocast() -> None:
    x = torch.randn(1, 4, 2, 2, 3, requires_grad=True)
    weight, bias = torch.randn(3, 1, 3, 3, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise_conv3d(x, weight, bias)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == weight.grad.dtype == torch.float32
