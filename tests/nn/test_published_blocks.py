"""The building blocks compute the published functions: fixtures of the published code, absolute 1e-4."""

from typing import Any

import pytest
import torch
from torch import Tensor

from genieredux.compat.published_names import rename_state_dict
from genieredux.nn.attention import Attention, LayerNorm
from genieredux.nn.blocks import FeedForward, TransformerConfig
from genieredux.nn.kernels import Kernel, use_kernel
from genieredux.nn.positions import PEG, ContinuousPositionBias, alibi_slopes, temporal_bias
from genieredux.nn.transformer import STTransformer
from published_cases import cases, read

DIM, HEADS, DIM_HEAD = 64, 4, 16


@pytest.fixture(scope="module", params=cases("blocks"))
def blocks(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read("blocks", request.param)


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    """Cases that only the whole file has; the tokenizer's numbers cover the same blocks."""
    if "full" not in cases("blocks"):
        pytest.skip("needs ../shared/fixtures/blocks.pt")
    return read("blocks", "full")


def close(ours: Tensor, published: Tensor) -> None:
    torch.testing.assert_close(ours, published, atol=1e-4, rtol=0)


def load(module: torch.nn.Module, case: dict[str, Any]) -> torch.nn.Module:
    module.load_state_dict(rename_state_dict(case["state_dict"]), strict=True)
    return module


def test_layernorm(blocks: dict[str, Any]) -> None:
    case = blocks["layernorm"]
    close(load(LayerNorm(DIM), case)(case["x"]), case["y"])


def test_feedforward(full: dict[str, Any]) -> None:
    case = full["feedforward"]
    feedforward = load(FeedForward(DIM), case)
    assert feedforward.contract.in_features == case["inner_dim"]
    close(feedforward(case["x"]), case["y"])


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
@pytest.mark.parametrize("causal", [False, True])
def test_peg(blocks: dict[str, Any], causal: bool, axis: str) -> None:
    case = blocks[f"peg_causal{causal}_{axis}"]
    close(load(PEG(case["x_bthwd"].shape[-1], causal), case)(case["x_bthwd"]), case["y_bthwd"])


def test_continuous_position_bias(blocks: dict[str, Any]) -> None:
    case = blocks["cpb"]
    close(load(ContinuousPositionBias(HEADS, 32), case)(*case["grid"]), case["y"])


@pytest.mark.parametrize("kernel", Kernel)
def test_spatial_attention(full: dict[str, Any], kernel: Kernel) -> None:
    case = full["attn_spatial"]
    attention = load(Attention(DIM, axis="space", heads=HEADS, dim_head=DIM_HEAD), case)
    x = case["x"][:, None]  # a frame each
    with use_kernel(kernel):
        close(attention(x, case["attn_bias"])[:, 0], case["y"])
        close(attention(x)[:, 0], case["y_nobias"])


@pytest.mark.parametrize("kernel", Kernel)
def test_temporal_attention(full: dict[str, Any], kernel: Kernel) -> None:
    case = full["attn_temporal_causal"]
    attention = load(Attention(DIM, axis="time", heads=HEADS, dim_head=DIM_HEAD), case)
    x = case["x"]
    bias = temporal_bias(x.shape[1], x.shape[1], slopes=alibi_slopes(HEADS))
    with use_kernel(kernel):
        close(attention(x[:, :, None], bias)[:, :, 0], case["y"])


def test_alibi(blocks: dict[str, Any]) -> None:
    case = blocks["alibi8"]
    slopes = alibi_slopes(8)
    close(slopes, case["slopes"].flatten())
    for length, name in ((16, "t16"), (5, "t5_after_t16")):
        bias = temporal_bias(length, length, slopes=slopes, causal=False)
        assert bias is not None
        close(bias, case[name])
    bias = temporal_bias(5, 5, slopes=alibi_slopes(HEADS), causal=False)
    assert bias is not None
    close(bias, blocks["attn_temporal_causal"]["alibi_bias"])


@pytest.mark.parametrize("order", ["st", "ts"])
def test_transformer(full: dict[str, Any], order: str) -> None:
    case = full[f"sttransformer_{order}"]
    config = TransformerConfig(
        dim=DIM,
        depth=2,
        heads=HEADS,
        dim_head=DIM_HEAD,
        order="st" if order == "st" else "ts",
        spatial_bias="given",
    )
    close(load(STTransformer(config), case)(case["x"], spatial_bias=case["attn_bias"]), case["y"])
