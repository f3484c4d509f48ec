"""AdamW whose moments lie in a file instead of in memory.

Training holds four numbers for every weight: itself, its gradient and AdamW's two moments. The moments are needed once
an update, one parameter after another, so they can lie in a file that is mapped into memory: a piece is read, changed
and let go of before the next. What is computed is torch's fused AdamW, bit for bit, and state dicts are those of any
AdamW. The file has no name and is gone with the process. Knows no model and no loop.
"""

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from genieredux.errors import UserError
from genieredux.nn.memory import is_mapped
from genieredux.runs.files import writing
from genieredux.training.config import MachineConfig
from genieredux.training.machine.sharding import is_split

PIECE = 2**20
"""Weights that are updated at once."""
LEAST = 2**16
"""Smaller parameters keep their moments in memory, where all of them together take little."""
MOMENTS = ("exp_avg", "exp_avg_sq")
MAPPED_FROM_BYTES = 2**30
"""train.moments=auto leaves larger ones on the disk, where memory is spared."""


def moments_folder(model: nn.Module, cfg: MachineConfig, folder: Path) -> Path | None:
    """Where train.moments puts a file for the moments of `model`: in `folder` or the nearest one above it that is
    there; None: they are held in memory. Raises UserError where they cannot be mapped."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    plain = not is_split(model) and all(p.device.type == "cpu" and p.dtype == torch.float32 for p in trained)
    if cfg.moments == "mapped" and not plain:
        raise UserError("train.moments=mapped is for a CPU that holds them whole, not for this device; set it to ram")
    large = 8 * sum(parameter.numel() for parameter in trained) > MAPPED_FROM_BYTES
    if not plain or cfg.moments == "ram" or (cfg.moments == "auto" and not (cfg.activation_checkpointing and large)):
        return None
    return next(place for place in (folder.resolve(), *folder.resolve().parents) if place.is_dir())


class MappedTensors:
    """float32 tensors in a file that is mapped into memory; zeros at first."""

    def __init__(self, folder: Path, sizes: list[int]) -> None:
        """sizes: values of each tensor. Raises UserError where the disk has no room for all of them, which would end
        the process if it were found out later."""
        pages = [-(-4 * size // mmap.PAGESIZE) * mmap.PAGESIZE for size in sizes]
        total = max(sum(pages), mmap.PAGESIZE)
        with writing(folder), tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, total)
            self._file = is_mapped(mmap.mmap(file.fileno(), total))
        starts = [sum(pages[:k]) for k in range(len(pages))]
        self.tensors = [
            torch.frombuffer(self._file, dtype=torch.float32, count=size, offset=start)
            for size, start in zip(sizes, starts, strict=True)
        ]
        self._starts = {tensor.data_ptr(): start for tensor, start in zip(self.tensors, starts, strict=True)}

    def let_go(self, tensor: Tensor, first: int = 0, count: int | None = None) -> None:
        """`count` values of one of the tensors, from `first` (where a page begins) on, need not be in memory now."""
        count = tensor.numel() - first if count is None else min(count, tensor.numel() - first)
        self._file.madvise(mmap.MADV_DONTNEED, self._starts[tensor.data_ptr()] + 4 * first, 4 * count)


class MappedAdamW(torch.optim.AdamW):
    """AdamW with its moments in a file, for float32 parameters in main memory."""

    def __init__(self, groups: list[dict[str, Any]], *, folder: Path, **settings: Any) -> None:
        """folder: where the file lies. Raises UserError where it cannot be made there."""
        super().__init__(groups, **settings, fused=True)
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        mapped = [p for p in parameters if p.numel() >= LEAST and p.is_contiguous()]
        self._file = MappedTensors(folder, [p.numel() for p in mapped for _ in MOMENTS])
        pairs = zip(self._file.tensors[::2], self._file.tensors[1::2], strict=True)
        self._rooms: dict[Tensor, tuple[Tensor, Tensor]] = dict(zip(mapped, pairs, strict=True))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("this optimiser evaluates nothing again: compute the gradients before it steps")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As usual, but everything is copied, and the moments into the file."""
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            rooms = dict(zip(MOMENTS, self._rooms.get(parameter, ()), strict=False))
            for name, value in state.items():
                room = rooms.get(name)
                if room is None:
                    state[name] = value.clone() if torch.is_tensor(value) else value
                    continue
                room.copy_(value.flatten())
                self._file.let_go(room)
                state[name] = room.view_as(parameter)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, rooms = self.state[parameter], self._rooms.get(parameter)
        if not state:
            state["step"] = torch.tensor(0.0)
            for name, room in zip(MOMENTS, rooms or [torch.zeros_like(parameter) for _ in MOMENTS], strict=True):
                state[name] = room.view_as(parameter)
        whole = [parameter, gradient, *(state[name] for name in MOMENTS)]
        if rooms is None:
            _adamw(whole, state["step"], group)
            return
        lines, step = [tensor.contiguous().view(-1) for tensor in whole], state["step"]
        for first in range(0, parameter.numel(), PIECE):
            state["step"] = step.clone()
            _adamw([line[first : first + PIECE] for line in lines], state["step"], group)
            for room in rooms:
                self._file.let_go(room, first, PIECE)


def _adamw(tensors: list[Tensor], step: Tensor, group: dict[str, Any]) -> None:
    """One update, in place, of weights by their gradient, of both moments, and of the number of updates."""
    values, gradient, first, second = ([tensor] for tensor in tensors)
    adamw(
        values,
        gradient,
        first,
        second,
        [],
        [step],
        fused=True,
        amsgrad=False,
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )
