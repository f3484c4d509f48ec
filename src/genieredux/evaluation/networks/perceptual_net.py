"""The networks of LPIPS (Zhang et al. 2018) and of its shift-tolerant kin ST-LPIPS (Ghildyal and Liu 2022).

Both compare two pictures at five depths of a classifier: features are scaled to unit length at every place, subtracted,
squared, weighed by one learned number per channel, averaged over places and added up. ST-LPIPS's classifiers go no step
of two without a blur before it, and their first convolution goes steps of one; its numbers are not LPIPS's. Knows
tensors only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.evaluation.networks.files import Source

_SHIFT = (-0.030, -0.088, -0.188)  # of pictures in [-1, 1]: ImageNet's mean and deviation
_SCALE = (0.458, 0.448, 0.450)
_EPS = 1e-10
MIN_SIZE = 32


@dataclass(frozen=True)
class _Conv:
    channels: int
    kernel: int
    padding: int
    stride: int = 1
    blurred: bool = False
    """Halve the size with a blur between the convolution and its ReLU."""


@dataclass(frozen=True)
class _Pool:
    kernel: int
    stride: int
    blurred: bool = False
    """Halve the size with a blur after the maximum."""


_Stage = tuple[_Conv | _Pool, ...]


def _vgg() -> tuple[_Stage, ...]:
    down = _Pool(2, 1, blurred=True)
    first: _Stage = (_Conv(64, 3, 1),) * 2
    rest: list[_Stage] = [(down, *(_Conv(n, 3, 1),) * count) for count, n in ((2, 128), (3, 256), (3, 512), (3, 512))]
    return (first, *rest)


def _alex(first: _Conv, pool: _Pool) -> tuple[_Stage, ...]:
    return (
        (first,),
        (pool, _Conv(192, 5, 2)),
        (pool, _Conv(384, 3, 1)),
        (_Conv(256, 3, 1),),
        (_Conv(256, 3, 1),),
    )


TRUNKS: dict[str, tuple[_Stage, ...]] = {
    "st-lpips-alex": _alex(_Conv(64, 11, 2, blurred=True), _Pool(3, 1, blurred=True)),
    "st-lpips-vgg": _vgg(),
    "lpips-alex": _alex(_Conv(64, 11, 2, stride=4), _Pool(3, 2)),
}

_INSTALL = "pip install --no-deps stlpips-pytorch==0.0.2"
SOURCES = {
    "alex": Source(
        network="st-lpips-alex",
        package="stlpips_pytorch",
        file="weights/vST0.0/alex_shift_tolerant.pth",
        sha256="b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
        install=_INSTALL,
    ),
    "vgg": Source(
        network="st-lpips-vgg",
        package="stlpips_pytorch",
        file="weights/vST0.0/vgg_shift_tolerant.pth",
        sha256="44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
        install=_INSTALL,
    ),
}


class PerceptualNet(nn.Module):
    """Two pictures to a distance. trunk: a key of `TRUNKS`."""

    blur: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, trunk: str) -> None:
        super().__init__()
        self._stages = TRUNKS[trunk]
        self.convs = nn.ModuleList()
        self.heads = nn.ParameterList()
        channels = 3
        for stage in self._stages:
            for step in stage:
                if isinstance(step, _Conv):
                    conv = nn.Conv2d(channels, step.channels, step.kernel, step.stride, step.padding)
                    self.convs.append(conv)
                    channels = step.channels
            self.heads.append(nn.Parameter(torch.zeros(channels)))
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("blur", (line[:, None] * line / 16)[None, None], persistent=False)
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """first, second: float32 (N, 3, H, W) in [0, 1] -> (N,), 0 where they are the same."""
        a, b = ((2 * picture - 1 - self.shift) / self.scale for picture in (first, second))
        total = torch.zeros(len(first), device=first.device)
        convs = iter(self.convs)
        for stage, head in zip(self._stages, self.heads, strict=True):
            for step in stage:
                conv = next(convs) if isinstance(step, _Conv) else None
                a, b = self._step(step, conv, a), self._step(step, conv, b)
            gap = (_unit_length(a) - _unit_length(b)).square()
            total = total + torch.einsum("nchw,c->nhw", gap, head).mean(dim=(1, 2))
        return total

    def _step(self, step: _Conv | _Pool, conv: nn.Module | None, x: Tensor) -> Tensor:
        if isinstance(step, _Pool):
            x = F.max_pool2d(x, step.kernel, step.stride)
        elif conv is not None:
            x = conv(x)
        if step.blurred:
            x = F.pad(x, (2, 2, 2, 2), mode="reflect")
            x = F.conv2d(x, self.blur.expand(x.shape[1], -1, -1, -1), stride=2, groups=x.shape[1])
        return F.relu(x) if isinstance(step, _Conv) else x


def st_lpips_state(raw: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The state of a shift-tolerant `PerceptualNet` from the package's file (`net.slice<s>.<i>.weight`,
    `lin<k>.model.1.weight`). Raises UserError where the file blurs or scales otherwise than this network does.
    """
    checked = PerceptualNet("st-lpips-alex")
    for name, tensor in raw.items():
        wanted = checked.blur if name.endswith(".filt") else None
        if name.startswith("scaling_layer."):
            wanted = getattr(checked, name.removeprefix("scaling_layer."))
        if wanted is not None and not torch.allclose(tensor, wanted.expand_as(tensor)):
            raise UserError(f"{where}: {name} is not what ST-LPIPS v0.0 uses; {_INSTALL}")
    named = {name.removeprefix("net."): tensor for name, tensor in raw.items() if name.startswith("net.slice")}
    return _convs(named) | _heads(raw, where)


def lpips_state(trunk: Mapping[str, Tensor], heads: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The state of the original AlexNet LPIPS, from torchvision's alexnet file (`features.<i>.weight`; the classifier
    is not used) and lpips v0.1's alex.pth (`lin<k>.model.1.weight`).
    """
    named = {name: tensor for name, tensor in trunk.items() if name.startswith("features.")}
    if not named:
        raise UserError(f"{where}: has no features.*; lpips_trunk is torchvision's alexnet-owt-7be5be79.pth")
    return _convs(named) | _heads(heads, where)


def _convs(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions in order of depth; a name ends in `<depth>.weight` or `<depth>.bias`."""
    kernels = {name.rpartition(".")[0] for name in named if name.endswith(".weight") and named[name].dim() == 4}
    ordered = sorted(kernels, key=lambda name: int(name.rpartition(".")[2]))
    return {
        f"convs.{i}.{part}": named[f"{name}.{part}"]
        for i, name in enumerate(ordered)
        for part in ("weight", "bias")
        if f"{name}.{part}" in named
    }


def _heads(raw: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    heads = {f"heads.{i}": raw[f"lin{i}.model.1.weight"].flatten() for i in range(5) if f"lin{i}.model.1.weight" in raw}
    if not heads:
        raise UserError(f"{where}: has no lin<k>.model.1.weight; the heads are the file of lpips or stlpips-pytorch")
    return heads


def _unit_length(x: Tensor) -> Tensor:
    return x / (x.square().sum(dim=1, keepdim=True).sqrt() + _EPS)
