"""Quantisers: the published numbers, the contract that all keep, averages that do not collapse."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.compat.published_names import rename_state_dict
from genieredux.nn.quantize import FiniteScalarQuantize, VectorQuantize, VectorQuantizeConfig
from published_cases import read

DIM = 12


def ema(codes: int = 16, dim: int = 4, **settings: Any) -> VectorQuantize:
    return VectorQuantize(DIM, VectorQuantizeConfig(codebook_size=codes, codebook_dim=dim, **settings))


QUANTIZERS = {
    "ema": ema,
    "published": lambda: VectorQuantize(DIM, VectorQuantizeConfig.published(16, 4)),
    "fsq": lambda: FiniteScalarQuantize(DIM, (5, 4, 3)),
}


@pytest.fixture(params=QUANTIZERS)
def quantizer(request: pytest.FixtureRequest) -> torch.nn.Module:
    torch.manual_seed(0)
    return QUANTIZERS[request.param]()


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    return read("vq")


class TestPublished:
    @pytest.fixture
    def vq(self, case: dict[str, Any]) -> VectorQuantize:
        vq = VectorQuantize(64, VectorQuantizeConfig.published(32, 8))
        vq.load_state_dict(rename_state_dict(case["state_dict"]), strict=True)
        return vq

    def test_training(self, case: dict[str, Any], vq: VectorQuantize) -> None:
        x = case["x"].clone().requires_grad_()
        out = vq(x)
        (0.01 * out.vectors.sum() + out.loss).backward()
        assert torch.equal(out.ids, case["train_idx"])
        close = {"atol": 1e-4, "rtol": 0}
        torch.testing.assert_close(out.vectors, case["train_quant"], **close)
        torch.testing.assert_close(out.loss[None], case["train_loss"], **close)
        torch.testing.assert_close(x.grad, case["x_grad"], **close)
        expected = rename_state_dict(case["grads"])
        ours = {name: p.grad for name, p in vq.named_parameters()}
        assert ours.keys() == expected.keys()
        for name, grad in expected.items():
            torch.testing.assert_close(ours[name], grad, **close)

    def test_eval(self, case: dict[str, Any], vq: VectorQuantize) -> None:
        out = vq.eval()(case["x"])
        assert torch.equal(out.ids, case["eval_idx"])
        torch.testing.assert_close(out.vectors, case["eval_quant"], atol=1e-4, rtol=0)
        assert out.loss == case["eval_loss"].item() == 0
        torch.testing.assert_close(vq.code_vectors(), case["codebook"])


class TestContract:
    def test_codes_are_what_eval_gives(self, quantizer: Any) -> None:
        x = torch.randn(2, 3, 5, DIM)
        quantizer(x, torch.Generator().manual_seed(0))
        out = quantizer.eval()(x)
        assert out.ids.shape == (2, 3, 5)
        assert out.ids.dtype == torch.int64
        torch.testing.assert_close(out.vectors, quantizer.codes(out.ids))
        assert torch.equal(quantizer.encode(x), out.ids)
        assert quantizer.code_vectors().shape[0] == quantizer.codebook_size

    def test_gradient_reaches_the_input(self, quantizer: Any) -> None:
        x = torch.randn(64, DIM, requires_grad=True)
        out = quantizer(x, torch.Generator().manual_seed(0))
        out.vectors.square().sum().backward()
        assert x.grad is not None
        assert x.grad.abs().sum() > 0

    def test_ids_do_not_depend_on_autocast(self, quantizer: Any) -> None:
        x = torch.randn(200, DIM)
        quantizer.eval()
        with torch.autocast("cpu", torch.bfloat16):
            under = quantizer(x).ids
        assert torch.equal(under, quantizer(x).ids)

    def test_a_code_quantises_to_itself(self, quantizer: Any) -> None:
        """Vectors whose projection is a code's own get that code's id."""
        quantizer(torch.randn(64, DIM), torch.Generator().manual_seed(0))
        quantizer.eval()
        codes = quantizer.code_vectors()
        if isinstance(quantizer, FiniteScalarQuantize):
            codes = torch.atanh(codes * 0.7)
        elif quantizer.config.rule == "gradient":
            codes = F.normalize(codes, dim=-1)
        weight, bias = quantizer.project_in.weight, quantizer.project_in.bias
        x = (codes - bias) @ torch.linalg.pinv(weight).t()
        assert torch.equal(quantizer.encode(x), torch.arange(quantizer.codebook_size))

    def test_perplexity(self, quantizer: Any) -> None:
        quantizer.eval()
        same = quantizer(torch.ones(10, DIM)).perplexity
        assert same.item() == pytest.approx(1.0)
        assert 1 < quantizer(torch.randn(500, DIM)).perplexity <= quantizer.codebook_size


class TestMovingAverages:
    def steps(self, vq: VectorQuantize, n: int, seed: int = 0, scale: float = 1.0) -> list[float]:
        data = torch.Generator().manual_seed(seed)
        draw = torch.Generator().manual_seed(seed + 1)
        centres = torch.randn(24, DIM, generator=data)
        seen = []
        for _ in range(n):
            pick = torch.randint(24, (256,), generator=data)
            x = centres[pick] * scale + 0.05 * torch.randn(256, DIM, generator=data)
            seen.append(vq(x, draw).perplexity.item())
        return seen

    def test_same_seed_same_codebook_and_state_survives_saving(self) -> None:
        torch.manual_seed(3)
        one = ema()
        two = ema()
        two.load_state_dict(one.state_dict())
        self.steps(one, 5)
        self.steps(two, 5)
        for name, value in one.state_dict().items():
            assert torch.equal(value, two.state_dict()[name]), name
        three = ema()
        three.load_state_dict(one.state_dict())
        self.steps(one, 3, seed=9)
        self.steps(three, 3, seed=9)
        assert torch.equal(one.codebook, three.codebook)

    def test_codes_are_unit_vectors_and_only_training_moves_them(self) -> None:
        vq = ema()
        self.steps(vq, 3)
        torch.testing.assert_close(vq.codebook.norm(dim=-1), torch.ones(16))
        before = vq.codebook.clone()
        vq.eval()
        vq(torch.randn(50, DIM))
        assert torch.equal(vq.codebook, before)

    def test_the_codebook_is_used_in_full(self) -> None:
        torch.manual_seed(0)
        vq = ema(codes=24, dim=8)
        assert self.steps(vq, 200)[-1] > 18

    def test_dead_codes_come_back(self) -> None:
        torch.manual_seed(0)
        vq = ema(codes=24, dim=8)
        self.steps(vq, 5)
        with torch.no_grad():  # every code but one points away from the data
            vq.codebook[1:] = -vq.codebook[:1]
            vq.code_sum[1:] = -vq.code_sum[:1]
            vq.cluster_size[1:] = 0
        assert self.steps(vq, 100)[-1] > 12

    def test_fewer_inputs_than_codes(self) -> None:
        vq = ema(codes=64)
        out = vq(torch.randn(5, DIM), torch.Generator().manual_seed(0))
        assert out.ids.max() < 64
        assert vq.codebook.isfinite().all()


@settings(max_examples=30, deadline=None)
@given(levels=st.lists(st.integers(2, 9), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_fsq_ids_name_the_whole_grid(levels: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    fsq = FiniteScalarQuantize(DIM, tuple(levels)).eval()
    grid = fsq.code_vectors()
    assert grid.unique(dim=0).shape[0] == fsq.codebook_size
    assert grid.min() == -1
    assert grid.max() == 1
    ids = fsq.encode(10 * torch.randn(100, DIM))
    assert ids.min() >= 0
    assert ids.max() < fsq.codebook_size


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="rule"):
        VectorQuantizeConfig(rule="sgd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="levels"):
        FiniteScalarQuantize(DIM, (1, 3))
