"""On true clips every metric says: identical < noisy < shuffled < another game."""

import itertools

import pytest
import torch

from genieredux.evaluation.config import NetworksConfig
from genieredux.evaluation.metrics.fid import FrameFeatures
from genieredux.evaluation.metrics.frechet import frechet_distance
from genieredux.evaluation.metrics.metric import Setting
from genieredux.evaluation.metrics.opening import open_metrics
from genieredux.evaluation.metrics.ssim import ssim
from genieredux.evaluation.networks.files import load_state
from genieredux.evaluation.networks.i3d import MIN_FRAMES
from genieredux.evaluation.networks.inception import InceptionV3, inception_state
from genieredux.frames import capped, psnr
from metric_clips import Ladder
from metric_standins import inception_weights


def ascends(values: list[float]) -> bool:
    return all(low < high for low, high in itertools.pairwise(values))


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return Ladder.play(clips=6, frames=2)


@pytest.mark.parametrize("net", ["psnr", "ssim", "alex", pytest.param("vgg", marks=pytest.mark.slow)])
def test_pictures_one_by_one(ladder, net):
    """Shuffled: every clip is compared with another one of the same game."""
    if net in ("psnr", "ssim"):
        frames = {"psnr": lambda a, b: -capped(psnr(a, b)), "ssim": lambda a, b: -ssim(a, b)}
        distance = frames[net]
    else:
        opened = open_metrics(["ST-LPIPS"], Setting(networks=NetworksConfig(stlpips_net=net)))
        if "ST-LPIPS" not in opened.metrics:
            pytest.skip(opened.missing["ST-LPIPS"])
        distance = opened.metrics["ST-LPIPS"].compare
    rungs = (ladder.truth, ladder.noisy, ladder.other_clips, ladder.other_game)
    assert ascends([float(distance(rung, ladder.truth).mean()) for rung in rungs])
    identical, noisy, shuffled, _ = (distance(rung, ladder.truth) for rung in rungs)
    assert (identical < noisy).all()
    assert (noisy < shuffled).float().mean() > 0.95


@pytest.mark.slow
def test_fid_of_random_features():
    """A stand-in network of random weights ranks like this too. Shuffled: the tiles of every picture, for the order of
    whole pictures is nothing to FID.
    """
    network = InceptionV3()
    load_state(network, inception_state(inception_weights(), "stand-in"), "stand-in")
    features = FrameFeatures(network, "stand-in")
    ladder = Ladder.play(clips=16, frames=2)
    rungs = (ladder.truth, ladder.noisy, ladder.other_tiles, ladder.other_game)
    real, *others = (features(rung).flatten(0, 1) for rung in rungs)
    found = [frechet_distance(real, other) for other in (real, *others)]
    assert ascends(found), found
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    assert frechet_distance(real, real[order]) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_fvd():
    """Shuffled: the frames of every clip, in time."""
    opened = open_metrics(["FVD"], Setting())
    if "FVD" not in opened.metrics:
        pytest.skip(opened.missing["FVD"])
    ladder = Ladder.play(clips=8, frames=MIN_FRAMES)
    rungs = (ladder.truth, ladder.noisy, ladder.other_order, ladder.other_game)
    real, *others = (opened.metrics["FVD"].network(rung) for rung in rungs)
    found = [frechet_distance(real, other) for other in (real, *others)]
    assert ascends(found), found
