"""Both kernels give the same numbers and gradients; the rule can be overridden; masks end on the last key."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genieredux.nn.attention import Attention, _Unit
from genieredux.nn.kernels import Kernel, attend, causal_mask, choose_kernel, use_kernel


def reference(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, causal: bool, scale: float) -> Tensor:
    scores = torch.einsum("bhid,bhjd->bhij", q, k) * scale
    if bias is not None:
        scores = scores + bias
    if causal:
        i, j = q.shape[2], k.shape[2]
        scores = scores.masked_fill(~torch.ones(i, j, dtype=torch.bool).tril(j - i), -torch.inf)
    return torch.einsum("bhij,bhjd->bhid", scores.softmax(-1), v)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    queries=st.integers(1, 5),
    older=st.integers(0, 4),
    bias=st.sampled_from([None, "full", "per head", "shared"]),
    causal=st.booleans(),
    scale=st.sampled_from([None, 1.0, 8.0]),
    seed=st.integers(0, 99),
)
def test_kernels_agree(
    batch: int,
    heads: int,
    queries: int,
    older: int,
    bias: str | None,
    causal: bool,
    scale: float | None,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    keys, d = queries + older, 4
    shapes = {"full": (batch, heads), "per head": (heads,), "shared": ()}
    q = torch.randn(batch, heads, queries, d, requires_grad=True)
    k = torch.randn(batch, heads, keys, d, requires_grad=True)
    v = torch.randn(batch, heads, keys, d, requires_grad=True)
    b = None if bias is None else torch.randn(*shapes[bias], queries, keys, requires_grad=True)
    leaves = [t for t in (q, k, v, b) if t is not None]
    expected = reference(q, k, v, b, causal, d**-0.5 if scale is None else scale)
    weight = torch.randn_like(expected)
    expected_grads = torch.autograd.grad((expected * weight).sum(), leaves)
    for kernel in Kernel:
        out = attend(q, k, v, bias=b, causal=causal, scale=scale, kernel=kernel)
        torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-4)
        grads = torch.autograd.grad((out * weight).sum(), leaves)
        for ours, theirs in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_result_keeps_the_dtype(dtype: torch.dtype) -> None:
    q = torch.randn(2, 2, 5, 8, dtype=dtype)
    for kernel in Kernel:
        assert attend(q, q, q, bias=torch.zeros(2, 5, 5), causal=True, kernel=kernel).dtype == dtype


def test_the_last_query_sits_on_the_last_key() -> None:
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True, True, True, True]]


def test_the_rule_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fused = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or fused(*a, **k)
    )
    q = torch.randn(1, 1, 3, 4)
    with use_kernel(Kernel.EXPLICIT):
        attend(q, q, q)
        assert not calls
        attend(q, q, q, kernel=Kernel.SDPA)
        assert len(calls) == 1
        with use_kernel(Kernel.SDPA):
            attend(q, q, q)
        assert len(calls) == 2
        attend(q, q, q)
    assert len(calls) == 2
    assert choose_kernel(q, q, None) in Kernel


@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), d=st.integers(1, 9), seed=st.integers(0, 99))
def test_unit_vectors_and_their_gradient(shape: list[int], d: int, seed: int) -> None:
    """The hand-written backward is that of F.normalize times a gain."""
    torch.manual_seed(seed)
    x = torch.randn(*shape, d, dtype=torch.float64, requires_grad=True)
    gain = torch.randn(d, dtype=torch.float64, requires_grad=True)
    ours, expected = _Unit.apply(x, gain), torch.nn.functional.normalize(x, dim=-1) * gain
    torch.testing.assert_close(ours, expected)
    along = torch.randn_like(expected)
    grads = (torch.autograd.grad(y, (x, gain), along) for y in (ours, expected))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("axis", ["space", "time"])
@pytest.mark.parametrize("normalise_context", [False, True])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_attention_mixes_along_its_axis_only(axis: str, normalise_context: bool, qk_norm: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(
        8,
        axis="space" if axis == "space" else "time",
        heads=2,
        dim_head=4,
        normalise_context=normalise_context,
        qk_norm=qk_norm,
    )
    x = torch.randn(2, 3, 4, 8)
    other = x.clone()
    other[1, 1, 2] = torch.randn(8)
    moved = (attention(x) - attention(other)).abs().sum(-1) > 1e-7
    expected = torch.zeros(2, 3, 4, dtype=torch.bool)
    expected[(1, 1) if axis == "space" else (1, slice(None), 2)] = True
    assert torch.equal(moved, expected)


@pytest.mark.parametrize("axis", ["space", "time"])
def test_published_attention_by_hand(axis: str) -> None:
    """Queries of the normalised input, keys and values of the raw one; unit queries and keys, their gains, times 8."""
    torch.manual_seed(0)
    layer = Attention(6, axis=axis, heads=2, dim_head=4)
    with torch.no_grad():
        for gain in (layer.q_scale, layer.k_scale, layer.norm.gamma):
            gain.uniform_(0.5, 1.5)
    x = 3 * torch.randn(2, 3, 5, 6) + 1
    normal = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * layer.norm.gamma
    q, (k, v) = normal @ layer.to_q.weight.T, (x @ layer.to_kv.weight.T).chunk(2, -1)
    q, k, v = (part.unflatten(-1, (2, 4)) for part in (q, k, v))
    q = q / q.norm(dim=-1, keepdim=True) * layer.q_scale * 8
    k = k / k.norm(dim=-1, keepdim=True) * layer.k_scale
    if axis == "space":
        shares = torch.einsum("btihd,btjhd->bthij", q, k).softmax(-1)
        out = torch.einsum("bthij,btjhd->btihd", shares, v)
    else:
        shares = torch.einsum("binhd,bjnhd->bnhij", q, k).softmax(-1)
        out = torch.einsum("bnhij,bjnhd->binhd", shares, v)
    torch.testing.assert_close(layer(x), out.flatten(-2) @ layer.to_out.weight.T, atol=1e-5, rtol=1e-4)
