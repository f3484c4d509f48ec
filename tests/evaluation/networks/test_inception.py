"""Inception computes what torch-fidelity's own network computes from the same (random) weights in the true layout."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation.metrics.fid import FrameFeatures
from genieredux.evaluation.networks.files import load_state
from genieredux.evaluation.networks.inception import InceptionV3, inception_state
from metric_standins import inception_weights

REFERENCE = Path(__file__).with_name("inception_reference.npz")  # torch-fidelity 0.4.0: every 8th of 2,048 features


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return inception_weights(0)


def pictures() -> torch.Tensor:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (2, 3, 64, 64), dtype=np.uint8)
    noise[1] = np.kron(rng.integers(0, 256, (3, 8, 8)), np.ones((8, 8)))
    return torch.from_numpy(noise).float() / 255


def test_features_are_those_of_torch_fidelity(weights):
    network = InceptionV3()
    load_state(network, inception_state(weights, "stand-in"), "stand-in")
    features = FrameFeatures(network, "stand-in")(pictures())
    expected = torch.from_numpy(np.load(REFERENCE)["features"])
    assert (features[:, ::8] - expected).abs().max() < 1e-5 * expected.abs().max()
    one_by_one = torch.stack([FrameFeatures(network, "stand-in")(picture) for picture in pictures()])
    torch.testing.assert_close(one_by_one, features, rtol=1e-4, atol=1e-5)


def test_files_without_the_counters_of_batches_load_too(weights):
    bare = {name: tensor for name, tensor in weights.items() if "num_batches" not in name}
    load_state(InceptionV3(), inception_state(bare, "stand-in"), "stand-in")


@pytest.mark.parametrize("change", ["missing", "torchvision", "misshapen"])
def test_another_networks_file_is_refused(weights, change):
    wrong = dict(weights)
    if change == "missing":
        del wrong["Mixed_7c.branch_pool.bn.running_mean"]
    elif change == "torchvision":
        wrong["AuxLogits.conv0.conv.weight"] = torch.zeros(128, 768, 1, 1)
    else:
        wrong["Conv2d_1a_3x3.conv.weight"] = torch.zeros(32, 3, 5, 5)
    with pytest.raises(UserError, match=r"pt_inception-2015-12-05|not a weights file"):
        load_state(InceptionV3(), inception_state(wrong, "file"), "file")
