"""Preprocessing of the networks: resizing, rounding, micro-batches, shapes."""

import pytest
import torch
from torch import nn

from genieredux.errors import UserError
from genieredux.evaluation.metrics.fid import FrameFeatures, resize_like_tensorflow
from genieredux.evaluation.metrics.fvd import VideoFeatures
from genieredux.evaluation.metrics.perceptual import PerceptualDistance
from genieredux.evaluation.networks.perceptual_net import PerceptualNet


class Listens(nn.Module):
    """A network that keeps what it was given."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features, self.heard = features, []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.heard.append(x.clone())
        return x.flatten(1).mean(1, keepdim=True).expand(-1, self.features)


def test_tensorflows_resize_on_paper():
    # Places 0, 2/3, 4/3 of (0, 3): 0, 2, and the edge. Half-pixel centres would give 0, 1.5, 3.
    row = torch.tensor([0.0, 3.0]).expand(1, 1, 2, 2)
    torch.testing.assert_close(resize_like_tensorflow(row, 3)[0, 0], torch.tensor([0.0, 2.0, 3.0]).expand(3, 3))
    column = row.transpose(-1, -2)
    torch.testing.assert_close(resize_like_tensorflow(column, 3)[0, 0].T, torch.tensor([0.0, 2.0, 3.0]).expand(3, 3))
    picture = torch.rand(2, 3, 299, 299)
    torch.testing.assert_close(resize_like_tensorflow(picture, 299), picture)
    shrunk = resize_like_tensorflow(torch.arange(8.0).expand(1, 1, 8, 8), 4)
    torch.testing.assert_close(shrunk[0, 0, 0], torch.tensor([0.0, 2, 4, 6]))  # samples, does not average


def test_fid_sees_pictures_of_8_bits():
    network = Listens(2048)
    frames = torch.rand(2, 3, 3, 64, 64)
    features = FrameFeatures(network, "id")(frames)  # type: ignore[arg-type]
    assert features.shape == (2, 3, 2048)
    heard = network.heard[0]
    assert heard.shape == (6, 3, 299, 299)
    assert heard[0, 0, 0, 0] == ((frames[0, 0, 0, 0, 0] * 255).round() - 128) / 128
    FrameFeatures(network, "id")((frames * 255).round() / 255)  # type: ignore[arg-type]
    torch.testing.assert_close(network.heard[1], heard, rtol=0, atol=0)


def test_fid_resizes_in_two_ways():
    network = Listens(2048)
    frames = torch.rand(1, 3, 64, 64)
    bilinear, nearest = (FrameFeatures(network, "id", resize) for resize in ("bilinear", "nearest"))  # type: ignore
    bilinear(frames)
    nearest(frames)
    levels = ((frames * 255).round() - 128) / 128
    assert bilinear.id != nearest.id
    assert set(network.heard[1].unique().tolist()) == set(levels.unique().tolist())
    assert len(network.heard[0].unique()) > 10 * len(levels.unique())
    with pytest.raises(ValueError, match="cubic"):
        FrameFeatures(network, "id", "cubic")  # type: ignore[arg-type]


def test_features_do_not_depend_on_the_batch():
    features = FrameFeatures(Listens(2048), "id")  # type: ignore[arg-type]
    frames = torch.rand(37, 3, 32, 32)
    torch.testing.assert_close(features(frames), torch.cat([features(frames[:5]), features(frames[5:])]))


def test_fvd_wants_nine_frames_in_minus_one_to_one():
    network = Listens(400)
    video = VideoFeatures(network, "id")  # type: ignore[arg-type]
    clips = torch.rand(3, 9, 3, 64, 64)
    clips[0, 0, :, 0, 0] = torch.tensor([0.0, 0.5, 1.0])
    assert video(clips).shape == (3, 400)
    assert network.heard[0].shape == (2, 9, 3, 224, 224)
    torch.testing.assert_close(network.heard[0][0, 0, :, 0, 0], torch.tensor([-1, 2 * 128 / 255 - 1, 1]))
    with pytest.raises(UserError, match="9 frames"):
        video(clips[:, :8])


def test_perceptual_distances_are_per_frame():
    network = PerceptualNet("lpips-alex")
    for head in network.heads:
        nn.init.constant_(head, 1.0)
    distance = PerceptualDistance(network, "LPIPS (alex)", "id").compare
    first, second = torch.rand(2, 5, 3, 64, 64), torch.rand(2, 5, 3, 64, 64)
    found = distance(first, second)
    assert found.shape == (2, 5)
    torch.testing.assert_close(found[1, 2], distance(first[1, 2], second[1, 2]))
    assert (distance(first, first) == 0).all()
    with pytest.raises(UserError, match="32 pixels"):
        distance(first[..., :16, :16], second[..., :16, :16])
    with pytest.raises(ValueError, match="agree"):
        distance(first, second[:1])
