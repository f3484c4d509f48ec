"""Positions: the bias network is run once per change of its weights; windows and incremental convolutions."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.nn.positions import PEG, ContinuousPositionBias, alibi_slopes, temporal_bias


def runs(bias: ContinuousPositionBias) -> list[int]:
    """Counts the evaluations of the network."""
    count: list[int] = []
    bias.net.register_forward_hook(lambda *_: count.append(1))
    return count


class TestContinuousPositionBias:
    def test_depends_on_the_offset_only(self) -> None:
        table = ContinuousPositionBias(2, 8)(3, 4).view(2, 3, 4, 3, 4)
        torch.testing.assert_close(table[:, 0, 0, 1, 2], table[:, 1, 1, 2, 3])
        assert not torch.allclose(table[:, 0, 0, 1, 2], table[:, 1, 2, 0, 0])

    def test_kept_in_eval_until_the_weights_change(self) -> None:
        bias = ContinuousPositionBias(2, 8).eval()
        count = runs(bias)
        with torch.no_grad():
            first = bias(3, 3)
            assert bias(3, 3) is first
            bias(3, 4)
            assert len(count) == 2
            bias.net[0].weight.mul_(2)
            assert not torch.equal(bias(3, 3), first)
            bias.load_state_dict({k: v / 2 for k, v in bias.state_dict().items()})
            bias(3, 3)
            assert len(count) == 4
            bias.train().eval()
            bias(3, 3)
            assert len(count) == 5

    def test_a_step_of_an_optimiser_is_seen(self) -> None:
        bias = ContinuousPositionBias(2, 8).eval()
        with torch.no_grad():
            before = bias(3, 3)
        optimiser = torch.optim.SGD(bias.parameters(), lr=1.0)
        bias(3, 3).square().sum().backward()
        optimiser.step()
        with torch.no_grad():
            assert not torch.equal(bias(3, 3), before)

    def test_never_kept_while_gradients_are_needed(self) -> None:
        bias = ContinuousPositionBias(2, 8).eval()
        with torch.inference_mode():
            bias(2, 2)
        for _ in range(2):
            bias(2, 2).sum().backward()
        bias.requires_grad_(False)
        assert (bias(2, 2) * torch.ones((), requires_grad=True)).requires_grad
        assert bias(2, 2) is bias(2, 2)

    def test_autocast_does_not_round_it(self) -> None:
        bias = ContinuousPositionBias(2, 8)
        with torch.autocast("cpu", torch.bfloat16):
            under = bias(3, 3)
        torch.testing.assert_close(under, bias(3, 3))


@settings(deadline=None)
@given(queries=st.integers(1, 6), older=st.integers(0, 6), window=st.one_of(st.none(), st.integers(1, 8)))
def test_temporal_bias_row_by_row(queries: int, older: int, window: int | None) -> None:
    """A row is what the same frame would get alone, after the frames before it."""
    keys = queries + older
    slopes = alibi_slopes(3)
    full = temporal_bias(queries, keys, slopes=slopes, window=window)
    assert full is not None
    for row in range(queries):
        visible = older + row + 1
        alone = temporal_bias(1, visible, slopes=slopes, window=window)
        assert alone is not None
        torch.testing.assert_close(full[:, row : row + 1, :visible], alone)
        assert (full[:, row, visible:] == -torch.inf).all()
        if window is not None:
            assert (full[:, row].isfinite().sum(-1) == min(window, visible)).all()


def test_nothing_to_add() -> None:
    assert temporal_bias(1, 5, slopes=None) is None
    assert temporal_bias(4, 4, slopes=None, causal=False) is None
    assert temporal_bias(4, 4, slopes=None) is not None
    assert temporal_bias(1, 5, slopes=None, window=4) is not None


def test_slopes_of_other_numbers_of_heads() -> None:
    assert alibi_slopes(3).tolist() == [2**-4, 2**-8, 2**-2]
    assert alibi_slopes(1).tolist() == [2**-8]


def test_peg_with_its_past_is_the_same() -> None:
    torch.manual_seed(0)
    peg = PEG(4)
    x = torch.randn(2, 5, 3, 3, 4)
    whole = peg(x)
    torch.testing.assert_close(peg(x[:, 2:], x[:, :2]), whole[:, 2:])
    assert peg(x[:, :1]).shape == x[:, :1].shape
