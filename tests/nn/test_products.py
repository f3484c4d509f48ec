"""Products in blocks of rows, and in float32 where bfloat16 is slow."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from genieredux.nn import precision, products
from genieredux.nn.blocks import FeedForward
from genieredux.nn.products import Linear


@pytest.fixture
def wide(monkeypatch):
    """Products of bfloat16 in float32, some rows at a time, whatever this processor is good at."""
    monkeypatch.setattr(products, "ROWS", 4)
    monkeypatch.setattr(precision, "slow_bf16_products", lambda: True)
    products.use_wide(False)
    yield
    products.use_wide(False)


def results(model, x, autocast):
    """Output and the gradients of input and weights."""
    x = x.clone().requires_grad_()
    with autocast:
        out = model(x)
    out.float().square().sum().backward()
    found = [out.float().detach(), x.grad, *(parameter.grad.clone() for parameter in model.parameters())]
    model.zero_grad()
    return found


def error(found, truth):
    return [float((one - two).norm() / two.norm()) for one, two in zip(found, truth, strict=True)]


@pytest.mark.parametrize("make", [lambda: Linear(24, 40), lambda: FeedForward(24)], ids=["linear", "feed-forward"])
def test_wide_products_are_as_near_to_float32_as_those_of_bfloat16(make, wide):
    torch.manual_seed(0)
    model, x, device = make(), torch.randn(2, 5, 3, 24), torch.device("cpu")
    truth = results(model, x, precision.autocast("32", device))
    narrow = results(model, x, torch.autocast("cpu", dtype=torch.bfloat16))
    inside = precision.autocast("bf16", device)  # from here on products are wide
    wider = results(model, x, inside)
    assert all(new < 1.2 * old for new, old in zip(error(wider, truth), error(narrow, truth), strict=True))
    assert any(not torch.equal(new, old) for new, old in zip(wider, narrow, strict=True))
    with inside:
        assert model(x).dtype == torch.bfloat16


def test_a_wide_product_is_that_of_float32_rounded_once(wide):
    layer, x = Linear(24, 40), torch.randn(9, 24).bfloat16()
    with precision.autocast("bf16", torch.device("cpu")), torch.no_grad():
        out = layer(x)
    assert torch.equal(out, (x.float() @ layer.weight.t()).bfloat16())


@pytest.mark.parametrize("kind", ["32", "bf16"])
@pytest.mark.parametrize("shape", [(2, 9, 130, 64), (1, 1, 7, 64)], ids=["blocks-and-a-rest", "one-block"])
def test_a_feed_forward_without_a_backward_pass_is_the_same_and_expands_a_block_at_a_time(kind, shape):
    torch.manual_seed(0)
    layer, x, rows = FeedForward(64), torch.randn(shape), []
    layer.expand.register_forward_hook(lambda module, inputs, out: rows.append(out.numel() // out.shape[-1]))
    with precision.autocast(kind, torch.device("cpu")):
        whole = layer(x).detach()
        with torch.no_grad():
            blocks = layer(x)
    assert torch.equal(blocks, whole)
    assert blocks.dtype == whole.dtype
    count = x.numel() // 64
    assert rows[0] == count
    assert sum(rows[1:]) == count
    assert max(rows[1:]) <= products.ROWS


def test_as_much_is_counted_as_of_products_in_bfloat16(wide):
    def counted(autocast):
        layer, x = FeedForward(24), torch.randn(9, 24)
        with FlopCounterMode(display=False) as counter:
            with autocast:
                out = layer(x)
            out.float().sum().backward()
        return counter.get_total_flops()

    narrow = counted(torch.autocast("cpu", dtype=torch.bfloat16))
    assert counted(precision.autocast("bf16", torch.device("cpu"))) == narrow > 0


def test_other_precisions_do_not_notice(wide):
    layer, x = Linear(24, 40), torch.randn(9, 24)
    products.use_wide(True)
    assert torch.equal(layer(x), F.linear(x, layer.weight))
    with torch.autocast("cpu", dtype=torch.float16):
        assert layer(x).dtype == torch.float16


def test_where_bfloat16_is_fast_products_are_torchs_own(monkeypatch):
    monkeypatch.setattr(precision, "slow_bf16_products", lambda: False)
    layer, x = Linear(24, 40), torch.randn(9, 24)
    with precision.autocast("bf16", torch.device("cpu")):
        assert torch.equal(layer(x), F.linear(x, layer.weight))


def test_blocks_of_rows_change_nothing(monkeypatch):
    torch.manual_seed(0)
    layer, x, device = FeedForward(24).double(), torch.randn(2, 5, 3, 24, dtype=torch.float64), torch.device("cpu")
    whole = results(layer, x, precision.autocast("32", device))
    monkeypatch.setattr(products, "ROWS", 7)
    for one, two in zip(results(layer, x, precision.autocast("32", device)), whole, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)
