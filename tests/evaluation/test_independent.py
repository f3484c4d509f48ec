"""PSNR and SSIM against scikit-image, on noise and on true clips."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.evaluation.metrics.action_following import follows
from genieredux.evaluation.metrics.codebook import codebook_use
from genieredux.evaluation.metrics.entropy import Entropy
from genieredux.evaluation.metrics.sharpness import gradient_energy
from genieredux.evaluation.metrics.ssim import ssim
from genieredux.evaluation.rows import MODEL
from genieredux.frames import psnr
from metric_clips import Ladder

skimage = pytest.importorskip("skimage.metrics")
REACH = 5  # of an 11x11 window


def theirs(predicted: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """(PSNR, SSIM) of two frames (C, H, W) by scikit-image.

    Its SSIM leaves out the places whose window reaches over the border; ours mirrors the picture there. So it is given
    the mirrored picture.
    """
    a, b = (frame.double().movedim(0, -1).numpy() for frame in (predicted, truth))
    wide = [np.pad(frame, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="reflect") for frame in (a, b)]
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity = skimage.structural_similarity(*wide, data_range=1.0, channel_axis=-1, **settings)
    return skimage.peak_signal_noise_ratio(b, a, data_range=1.0), float(similarity)


def agree(predicted: torch.Tensor, truth: torch.Tensor) -> None:
    expected = torch.tensor([theirs(a, b) for a, b in zip(predicted, truth, strict=True)], dtype=torch.float32)
    torch.testing.assert_close(psnr(predicted, truth), expected[:, 0], atol=1e-3, rtol=0)
    torch.testing.assert_close(ssim(predicted, truth), expected[:, 1], atol=1e-5, rtol=0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(11, 64), width=st.integers(11, 64), noise=st.floats(0.01, 0.5))
def test_on_noise(seed, height, width, noise):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.rand(2, 3, height, width, generator=generator)
    agree((truth + noise * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth)


def test_on_true_clips():
    ladder = Ladder.play(clips=6, frames=4)
    truth = ladder.truth.flatten(0, 1)
    for rung in (ladder.noisy, ladder.other_clips, ladder.other_order, ladder.other_tiles, ladder.other_game):
        frames = rung.flatten(0, 1)
        moved = (frames != truth).flatten(1).any(1)  # a frame against itself: infinity on both sides
        agree(frames[moved], truth[moved])


def test_gradient_energy_by_hand():
    frame = torch.tensor([[[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]])
    across, down = (1 + 4) / 4, (1 + 9) / 3
    assert gradient_energy(frame).item() == pytest.approx(across + down)


def test_a_pixel_moved_where_one_channel_did():
    before = torch.zeros(1, 1, 3, 2, 2)
    truth = before.clone()
    truth[..., 0, 0, 0] = 1
    assert follows(truth, before, before, truth).tolist() == [[1.0]]
    assert follows(before, truth, before, truth).tolist() == [[0.0]]
    assert follows(before, before, before, truth).tolist() == [[0.5]]
    assert torch.isnan(follows(truth, before, before, before)).all()


def test_entropy_is_the_mean_over_the_tokens_of_a_frame():
    entropy = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert Entropy()(SimpleNamespace(entropy=entropy))[MODEL].tolist() == [[5.5, 17.5]]


def test_use_of_a_codebook_by_hand():
    use = codebook_use(np.array([[0, 0, 2], [2, 0, 2]]), 8)
    assert (use["size"], use["used"], use["share_used"]) == (8, 2, 0.25)
    assert use["perplexity"] == pytest.approx(2)
