"""ST-LPIPS computes what its package computes; LPIPS what its definition says."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genieredux.errors import UserError
from genieredux.evaluation.networks.files import load_state, read_tensors
from genieredux.evaluation.networks.perceptual_net import SOURCES, PerceptualNet, lpips_state, st_lpips_state
from metric_standins import alexnet_weights, lpips_heads

# stlpips-pytorch 0.0.2's own code on `pairs`: two noisy pictures, then another picture.
REFERENCE = {
    ("alex", 64, 64): [0.00315061, 0.0029186, 0.03857892],
    ("alex", 48, 72): [0.00341406, 0.00422779, 0.03693653],
    ("vgg", 64, 64): [0.00662818, 0.00651966, 0.06803969],
    ("vgg", 48, 72): [0.00653375, 0.00657464, 0.0636501],
}


def pairs(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(height)
    a = rng.random((3, 3, height, width), dtype=np.float32)
    b = np.clip(a + 0.1 * rng.standard_normal(a.shape, dtype=np.float32), 0, 1)
    b[2] = a[0]
    return torch.from_numpy(a), torch.from_numpy(b)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_distances_are_those_of_the_package(net):
    path = SOURCES[net].find()
    if path is None:
        pytest.skip(f"needs its weights: {SOURCES[net].install}")
    raw = read_tensors(path)
    network = PerceptualNet(SOURCES[net].network)
    load_state(network, st_lpips_state(raw, "file"), "file")
    for height, width in ((64, 64), (48, 72)):
        distances = network(*pairs(height, width))
        assert distances.tolist() == pytest.approx(REFERENCE[net, height, width], rel=1e-5)
    first, second = pairs(64, 64)
    assert network(first, first).tolist() == [0, 0, 0]
    torch.testing.assert_close(network(first, second), network(second, first))
    blurred = next(name for name in raw if name.endswith(".filt"))
    with pytest.raises(UserError, match="not what ST-LPIPS"):
        st_lpips_state({**raw, blurred: raw[blurred] * 2}, "file")


def test_lpips_is_its_definition():
    trunk, heads = alexnet_weights(), lpips_heads()
    network = PerceptualNet("lpips-alex")
    load_state(network, lpips_state(trunk, heads, "files"), "files")
    first, second = pairs(64, 64)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    expected = torch.zeros(3)
    x = torch.cat([first, second]) * 2 - 1
    x = (x - shift[:, None, None]) / scale[:, None, None]
    for i, (place, stride, padding) in enumerate(((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))):
        x = F.max_pool2d(x, 3, 2) if i in (1, 2) else x
        x = F.relu(F.conv2d(x, trunk[f"features.{place}.weight"], trunk[f"features.{place}.bias"], stride, padding))
        a, b = F.normalize(x, dim=1).chunk(2)
        expected += ((a - b) ** 2 * heads[f"lin{i}.model.1.weight"]).sum(1).mean((1, 2))
    torch.testing.assert_close(network(first, second), expected)


def test_files_of_other_networks_are_refused():
    with pytest.raises(UserError, match="features"):
        lpips_state({"conv1.weight": torch.zeros(1)}, lpips_heads(), "file")
    with pytest.raises(UserError, match="lin"):
        lpips_state(alexnet_weights(), {"head": torch.zeros(1)}, "file")
    trunk = alexnet_weights()
    del trunk["features.8.weight"]
    with pytest.raises(UserError, match="not a weights file"):
        load_state(PerceptualNet("lpips-alex"), lpips_state(trunk, lpips_heads(), "file"), "file")
