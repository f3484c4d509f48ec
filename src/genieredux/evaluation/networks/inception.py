"""InceptionV3 as FID defines it: the TensorFlow network of December 2015 (1,008 outputs), read at its 2,048 pooled
features, with the weights file that pytorch-fid and torch-fidelity share.

It is not torchvision's Inception. Average pools leave the padding out of the mean (blocks A, C and the first E), and
the pool of the last block, Mixed_7c, takes the maximum. Batch normalisation is folded into the convolutions. Knows
tensors only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.evaluation.networks.convolutions import fold_batch_norm

FEATURES = 2048
INPUT_SIZE = 299
WEIGHTS_NAMES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
"""What pytorch-fid and torch-fidelity call the same file."""
WEIGHTS_SHA256_PREFIX = "6726825d"

_BATCH_NORM_EPS = 1e-3
_AVERAGE, _MAXIMUM, _SHRINK = "average", "maximum", "shrink"  # 3x3 pools: two keep the size, one halves it


@dataclass(frozen=True)
class _Conv:
    """A convolution by the name it has in the weights file."""

    name: str
    channels: int
    kernel: tuple[int, int]
    stride: int = 1
    padded: bool = True


_Step = str | _Conv | tuple[_Conv, ...]  # a pool; a convolution; convolutions side by side
_Chain = tuple[_Step, ...]


def _conv(name: str, channels: int, kernel: int | tuple[int, int], stride: int = 1, padded: bool = True) -> _Conv:
    return _Conv(name, channels, (kernel, kernel) if isinstance(kernel, int) else kernel, stride, padded)


def _block_a(pooled: int) -> tuple[_Chain, ...]:
    return (
        (_conv("branch1x1", 64, 1),),
        (_conv("branch5x5_1", 48, 1), _conv("branch5x5_2", 64, 5)),
        (_conv("branch3x3dbl_1", 64, 1), _conv("branch3x3dbl_2", 96, 3), _conv("branch3x3dbl_3", 96, 3)),
        (_AVERAGE, _conv("branch_pool", pooled, 1)),
    )


def _block_b() -> tuple[_Chain, ...]:
    return (
        (_conv("branch3x3", 384, 3, 2, False),),
        (_conv("branch3x3dbl_1", 64, 1), _conv("branch3x3dbl_2", 96, 3), _conv("branch3x3dbl_3", 96, 3, 2, False)),
        (_SHRINK,),
    )


def _block_c(inner: int) -> tuple[_Chain, ...]:
    across, down = (1, 7), (7, 1)
    return (
        (_conv("branch1x1", 192, 1),),
        (_conv("branch7x7_1", inner, 1), _conv("branch7x7_2", inner, across), _conv("branch7x7_3", 192, down)),
        (
            _conv("branch7x7dbl_1", inner, 1),
            _conv("branch7x7dbl_2", inner, down),
            _conv("branch7x7dbl_3", inner, across),
            _conv("branch7x7dbl_4", inner, down),
            _conv("branch7x7dbl_5", 192, across),
        ),
        (_AVERAGE, _conv("branch_pool", 192, 1)),
    )


def _block_d() -> tuple[_Chain, ...]:
    return (
        (_conv("branch3x3_1", 192, 1), _conv("branch3x3_2", 320, 3, 2, False)),
        (
            _conv("branch7x7x3_1", 192, 1),
            _conv("branch7x7x3_2", 192, (1, 7)),
            _conv("branch7x7x3_3", 192, (7, 1)),
            _conv("branch7x7x3_4", 192, 3, 2, False),
        ),
        (_SHRINK,),
    )


def _block_e(pool: str) -> tuple[_Chain, ...]:
    def fork(name: str) -> tuple[_Conv, ...]:
        return (_conv(f"{name}a", 384, (1, 3)), _conv(f"{name}b", 384, (3, 1)))

    return (
        (_conv("branch1x1", 320, 1),),
        (_conv("branch3x3_1", 384, 1), fork("branch3x3_2")),
        (_conv("branch3x3dbl_1", 448, 1), _conv("branch3x3dbl_2", 384, 3), fork("branch3x3dbl_3")),
        (pool, _conv("branch_pool", 192, 1)),
    )


_STEM: _Chain = (
    _conv("Conv2d_1a_3x3", 32, 3, 2, False),
    _conv("Conv2d_2a_3x3", 32, 3, 1, False),
    _conv("Conv2d_2b_3x3", 64, 3),
    _SHRINK,
    _conv("Conv2d_3b_1x1", 80, 1),
    _conv("Conv2d_4a_3x3", 192, 3, 1, False),
    _SHRINK,
)
_BLOCKS: dict[str, tuple[_Chain, ...]] = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": _block_b(),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": _block_d(),
    "Mixed_7b": _block_e(_AVERAGE),
    "Mixed_7c": _block_e(_MAXIMUM),
}


class InceptionV3(nn.Module):
    """Pictures to 2,048 features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Block((_STEM,), 3)
        channels = self.stem.channels
        self.blocks = nn.ModuleDict()
        for name, chains in _BLOCKS.items():
            block = _Block(chains, channels)
            self.blocks[name], channels = block, block.channels

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: float32 (N, 3, 299, 299), (byte - 128) / 128 -> (N, 2048)."""
        x = self.stem(pictures)
        for block in self.blocks.values():
            x = block(x)
        return x.mean(dim=(2, 3))


def inception_state(raw: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The state of `InceptionV3` from the tensors of a pytorch-fid / torch-fidelity file (`<unit>.conv.weight`,
    `<unit>.bn.{weight,bias,running_mean,running_var}`, `fc.*`). `where` names the file in errors.

    Raises UserError for a missing tensor, or for one that another network's file has (torchvision's has AuxLogits).
    """
    units = {f"stem.convs.{name}": name for name in _names((_STEM,))}
    for block, chains in _BLOCKS.items():
        units |= {f"blocks.{block}.convs.{name}": f"{block}.{name}" for name in _names(chains)}
    state = {}
    try:
        for ours, theirs in units.items():
            state[f"{ours}.weight"], state[f"{ours}.bias"] = fold_batch_norm(
                raw[f"{theirs}.conv.weight"],
                mean=raw[f"{theirs}.bn.running_mean"],
                variance=raw[f"{theirs}.bn.running_var"],
                shift=raw[f"{theirs}.bn.bias"],
                gain=raw[f"{theirs}.bn.weight"],
                eps=_BATCH_NORM_EPS,
            )
    except KeyError as error:
        raise UserError(f"{where}: has no tensor {error}; give the file {WEIGHTS_NAMES[0]}") from error
    known = (*(f"{theirs}." for theirs in units.values()), "fc.")
    for name in raw:
        if not name.startswith(known):
            raise UserError(f"{where}: has the tensor {name}, which FID's Inception lacks; give {WEIGHTS_NAMES[0]}")
    return state


class _Block(nn.Module):
    """Chains side by side, concatenated."""

    def __init__(self, chains: tuple[_Chain, ...], channels: int) -> None:
        super().__init__()
        self._chains = chains
        self.convs = nn.ModuleDict()
        self.channels = sum(self._build(chain, channels) for chain in chains)

    def _build(self, chain: _Chain, channels: int) -> int:
        for step in chain:
            if isinstance(step, str):
                continue
            convs = (step,) if isinstance(step, _Conv) else step
            for conv in convs:
                height, width = conv.kernel
                padding = (height // 2, width // 2) if conv.padded else 0
                self.convs[conv.name] = nn.Conv2d(channels, conv.channels, conv.kernel, conv.stride, padding)
            channels = sum(conv.channels for conv in convs)
        return channels

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self._run(chain, x) for chain in self._chains]
        return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0]

    def _run(self, chain: _Chain, x: Tensor) -> Tensor:
        for step in chain:
            if step == _AVERAGE:
                x = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
            elif step == _MAXIMUM:
                x = F.max_pool2d(x, 3, stride=1, padding=1)
            elif step == _SHRINK:
                x = F.max_pool2d(x, 3, stride=2)
            elif isinstance(step, _Conv):
                x = F.relu(self.convs[step.name](x))
            else:
                x = torch.cat([F.relu(self.convs[conv.name](x)) for conv in step if isinstance(conv, _Conv)], dim=1)
        return x


def _names(chains: tuple[_Chain, ...]) -> list[str]:
    names = []
    for chain in chains:
        for step in chain:
            if not isinstance(step, str):
                names += [conv.name for conv in ((step,) if isinstance(step, _Conv) else step)]
    return names
