"""The transformer: causal, and the same whether frames come all at once or one at a time."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from genieredux.errors import UserError
from genieredux.nn.attention import join_beside
from genieredux.nn.blocks import FeedForward, TransformerConfig
from genieredux.nn.transformer import STTransformer

configs = st.fixed_dictionaries(
    {
        "depth": st.integers(1, 3),
        "heads": st.integers(1, 3),
        "dim_head": st.sampled_from([4, 8]),
        "order": st.sampled_from(["st", "ts"]),
        "peg": st.booleans(),
        "feedforwards_per_block": st.sampled_from([1, 2]),
        "normalise_context": st.booleans(),
        "qk_norm": st.booleans(),
        "spatial_bias": st.sampled_from(["cpb", "none"]),
        "temporal_bias": st.sampled_from(["alibi", "none"]),
        "cond_dim": st.sampled_from([None, 3]),
        "cond_mode": st.sampled_from(["add", "concat", "modulate"]),
    }
)


def build(settings: dict[str, Any], seed: int = 0) -> STTransformer:
    torch.manual_seed(seed)
    model = STTransformer(TransformerConfig(**({"dim": 12} | settings))).eval()
    with torch.no_grad():  # no gain 1, no bias 0
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def inputs(model: STTransformer, frames: int, batch: int = 2) -> tuple[Tensor, Tensor | None]:
    cond = model.config.cond_dim
    x = torch.randn(batch, frames, 2, 3, model.config.dim)
    return x, None if cond is None else torch.randn(batch, frames, cond)


def part(cond: Tensor | None, span: slice) -> Tensor | None:
    return None if cond is None else cond[:, span]


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(config=configs, seed=st.integers(0, 999), changed=st.integers(1, 5))
@torch.no_grad()
def test_a_frame_changes_nothing_before_it(config: dict[str, Any], seed: int, changed: int) -> None:
    model = build(config, seed)
    x, cond = inputs(model, 6)
    other, other_cond = x.clone(), None if cond is None else cond.clone()
    other[:, changed:] += torch.randn_like(other[:, changed:])
    if other_cond is not None:
        other_cond[:, changed:] += 1
    a, b = model(x, cond), model(other, other_cond)
    torch.testing.assert_close(a[:, :changed], b[:, :changed])
    assert not torch.allclose(a[:, changed:], b[:, changed:])


@settings(max_examples=60, deadline=None)
@given(
    config=configs,
    seed=st.integers(0, 999),
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    window=st.one_of(st.none(), st.integers(1, 6)),
    drafts=st.booleans(),
)
@torch.no_grad()
def test_cached_equals_uncached(
    config: dict[str, Any], seed: int, chunks: list[int], window: int | None, drafts: bool
) -> None:
    """Whatever the chunks, the window and the drafts that were looked at and thrown away in between."""
    model = build(config, seed)
    x, cond = inputs(model, sum(chunks))
    whole = model(x, cond, window=window)
    cache = model.new_cache(window)
    stop = 0
    for length in chunks:
        span = slice(stop, stop + length)
        if drafts:
            model(torch.randn_like(x[:, span]), part(cond, span), cache, keep=False)
        close(model(x[:, span], part(cond, span), cache), whole[:, span])
        stop += length
    assert cache.frames == stop


@settings(max_examples=40, deadline=None)
@given(config=configs, seed=st.integers(0, 999), window=st.one_of(st.none(), st.integers(1, 4)), lead=st.booleans())
@torch.no_grad()
def test_drafts_are_what_a_cache_of_the_frames_before_them_gives(
    config: dict[str, Any], seed: int, window: int | None, lead: bool
) -> None:
    model = build(config, seed)
    x, cond = inputs(model, 8)
    ahead = torch.randn(2, 8, 1, 12) if lead else None
    whole = model(x, cond, window=window, ahead=ahead, drafts=True)
    known = model(x[:, :4], part(cond, slice(0, 4)), window=window, ahead=part(ahead, slice(0, 4)))
    close(whole[:, :4], known)
    cache = model.new_cache(window)
    for k in range(4):
        now, draft = slice(k, k + 1), slice(4 + k, 5 + k)
        model(x[:, now], part(cond, now), cache, ahead=part(ahead, now))
        alone = model(x[:, draft], part(cond, draft), cache, keep=False, ahead=part(ahead, draft))
        close(whole[:, draft], alone)


@torch.no_grad()
def test_a_token_ahead_of_the_places_reaches_them_all() -> None:
    model = build({"depth": 1, "heads": 2, "dim_head": 4})
    x, ahead = torch.randn(1, 3, 2, 3, 12), torch.randn(1, 3, 1, 12)
    before = model(x, ahead=ahead)
    ahead[:, 1] += 1
    after = model(x, ahead=ahead)
    assert torch.equal(before[:, 0], after[:, 0])
    assert ((before - after)[:, 1:].abs().sum(-1) > 1e-4).all()


@torch.no_grad()
def test_a_token_ahead_has_no_place_and_so_no_spatial_bias() -> None:
    model = build({"depth": 1, "heads": 2, "dim_head": 4})
    seen: list[Tensor] = []
    model.blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[2]))
    model(torch.randn(1, 2, 2, 3, 12), ahead=torch.randn(1, 2, 1, 12))
    assert model.position is not None
    assert torch.equal(seen[0][:, 1:, 1:], model.position(2, 3))
    assert not seen[0][:, 0].any()
    assert not seen[0][:, :, 0].any()


def test_a_modulation_begins_as_nothing() -> None:
    torch.manual_seed(0)
    plain = STTransformer(TransformerConfig(dim=12, depth=1, heads=2, dim_head=4))
    film = STTransformer(TransformerConfig(dim=12, depth=1, heads=2, dim_head=4, cond_dim=3, cond_mode="modulate"))
    film.load_state_dict({**film.state_dict(), **plain.state_dict()})
    x = torch.randn(1, 3, 2, 3, 12)
    torch.testing.assert_close(film(x, torch.randn(1, 3, 3)), plain(x))


def test_the_feed_forward_differentiates_as_torch_would() -> None:
    torch.manual_seed(0)
    layer = FeedForward(8, beside=3).double()
    x, beside = torch.randn(2, 2, 5, 8, dtype=torch.double), torch.randn(2, 2, 3, dtype=torch.double)
    assert torch.autograd.gradcheck(lambda *t: layer(t[0], t[1]), (x.requires_grad_(), beside.requires_grad_()))
    value, gate = layer.expand(join_beside(layer.norm(x), beside)).chunk(2, -1)
    plain = layer.contract(torch.nn.functional.gelu(gate) * value)
    wanted = torch.autograd.grad(plain.square().sum(), tuple(layer.parameters()))
    for ours, theirs in zip(
        torch.autograd.grad(layer(x, beside).square().sum(), layer.parameters()), wanted, strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        torch.testing.assert_close(layer(x, beside), plain)


@torch.no_grad()
def test_one_past_many_futures() -> None:
    model = build({"depth": 2, "heads": 2, "dim_head": 4, "cond_dim": 3})
    x, cond = inputs(model, 5)
    cache = model.new_cache()
    model(x[:, :3], part(cond, slice(0, 3)), cache)
    index = torch.tensor([1, 0, 1])
    branch = cache.select(index)
    copy = cache.clone()
    model(torch.randn_like(x), torch.randn(2, 5, 3), cache)  # what the original does next does not matter
    whole = model(x, cond)[:, 3:]
    close(model(x[index, 3:], part(cond, slice(3, 5))[index], branch), whole[index])
    close(model(x[:, 3:], part(cond, slice(3, 5)), copy), whole)


@torch.no_grad()
def test_memory_is_bounded_by_the_window() -> None:
    model = build({"depth": 2, "heads": 2, "dim_head": 4})
    cache = model.new_cache(window=4)
    sizes = []
    for _ in range(50):
        model(inputs(model, 1)[0], cache=cache)
        sizes.append(cache.nbytes)
    assert max(sizes[10:]) == sizes[10]


def test_a_cache_made_in_inference_mode_goes_on_outside() -> None:
    model = build({"depth": 1, "heads": 2, "dim_head": 4})
    x, _ = inputs(model, 3)
    cache = model.new_cache()
    with torch.inference_mode():
        model(x[:, :1], cache=cache)
        copy = cache.clone()
    with torch.no_grad():
        model(x[:, 1:2], cache=cache)
        model(x[:, 1:2], cache=copy)
        close(model(x[:, 2:], cache=cache), model(x)[:, 2:])
        close(model(x[:, 2:], cache=copy), model(x)[:, 2:])
    with pytest.raises(RuntimeError, match="no_grad"):
        model(x, cache=cache)


def test_every_parameter_is_trained() -> None:
    for changes in ({}, {"normalise_context": True, "feedforwards_per_block": 1, "cond_dim": 3}):
        model = build({"depth": 2, "heads": 2, "dim_head": 4} | changes).train()
        x, cond = inputs(model, 3)
        model(x, cond).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_bf16_autocast_stays_near_float32() -> None:
    model = build({"depth": 2, "heads": 2, "dim_head": 8, "dim": 16})
    x, _ = inputs(model, 4)
    with torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            near = model(x)
    assert (near - exact).abs().mean() < 0.03 * exact.abs().mean()


def test_misuse_is_refused() -> None:
    model = build({"depth": 1, "heads": 1, "dim_head": 4, "cond_dim": 3})
    x, cond = inputs(model, 2)
    with pytest.raises(ValueError, match="pass cond"):
        model(x)
    with pytest.raises(ValueError, match="given"):
        model(x, cond, spatial_bias=torch.zeros(1, 6, 6))
    with pytest.raises(ValueError, match="future"):
        build({"depth": 1, "heads": 1, "dim_head": 4, "causal": False}).new_cache()
    with pytest.raises(UserError, match="order"):
        TransformerConfig(order="tt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="window"):
        model.new_cache(0)
