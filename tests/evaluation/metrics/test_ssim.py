from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.image import structural_similarity_index_measure

from genieredux.evaluation.metrics.delta_psnr import delta_psnr
from genieredux.evaluation.metrics.ssim import ssim
from genieredux.frames import PSNR_CAP_DB, capped, psnr
from genieredux.models.world.fake import FakeWorld


@pytest.fixture(scope="module")
def published(shared_dir: Path) -> dict[str, object]:
    return torch.load(shared_dir / "fixtures" / "metrics.pt", weights_only=False)


def frames_of(video: torch.Tensor) -> torch.Tensor:
    """(B, C, T, H, W) as the published code has it -> (B, T, C, H, W)."""
    return video.transpose(1, 2)


def test_the_published_numbers(published):
    real, good, bad = (frames_of(published[name]) for name in ("real", "fake1", "fake2"))
    assert psnr(good, real).mean().item() == pytest.approx(published["psnr1"], abs=1e-4)
    assert psnr(bad, real).mean().item() == pytest.approx(published["psnr2"], abs=1e-4)
    assert ssim(good, real).mean().item() == pytest.approx(published["ssim1"], abs=1e-4)
    assert ssim(bad, real).mean().item() == pytest.approx(published["ssim2"], abs=1e-4)
    at_4 = delta_psnr(good[:, 3], bad[:, 3], real[:, 3]).mean().item()
    assert at_4 == pytest.approx(published["delta_psnr_t4"], abs=1e-4)
    assert psnr(real, real).mean().item() == published["psnr_identical"] == float("inf")


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(11, 40), width=st.integers(11, 40), noise=st.floats(0, 0.5))
def test_ssim_is_the_one_of_torchmetrics(seed, height, width, noise):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(2, 3, height, width, generator=generator)
    predicted = (truth + noise * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    reference = structural_similarity_index_measure(
        predicted.double(), truth.double(), data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(ssim(predicted, truth), reference.float(), atol=1e-5, rtol=0)


def test_ssim_of_flat_frames_is_finite():
    flat = torch.full((1, 3, 16, 16), 0.5)
    assert ssim(flat, flat).item() == pytest.approx(1)
    assert 0 <= ssim(flat, flat * 0).item() < 0.01


def test_identical_beats_noisy_beats_shuffled():
    world = FakeWorld()
    truth = torch.stack(
        [torch.from_numpy(world.play([], seed, texture=0.1)[0]).movedim(-1, 0) / 255 for seed in range(12)]
    )
    noisy = (truth + 0.05 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    shuffled = truth.roll(1, 0)
    for metric in (psnr, ssim):
        identical, near, far = (metric(other, truth) for other in (truth, noisy, shuffled))
        assert (identical > near).all()
        assert (near > far).all()


def test_identical_frames_can_be_averaged():
    truth = torch.rand(4, 3, 16, 16)
    assert capped(psnr(truth, truth)).tolist() == [PSNR_CAP_DB] * 4
    assert delta_psnr(truth, truth, truth).tolist() == [0.0] * 4
    assert (delta_psnr(truth, 1 - truth, truth) > 0).all()


def test_frames_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="agree"):
        psnr(torch.rand(2, 3, 16, 16), torch.rand(1, 3, 16, 16))
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(torch.rand(3, 8, 8), torch.rand(3, 8, 8))
