"""Weights split between processes (FSDP2, `torch.distributed.fsdp.fully_shard`), and whole again where they must be.

Everything that is saved is whole, so a checkpoint does not know how many processes made it. Knows no loop and no file.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from genieredux.errors import UserError
from genieredux.training.machine.memory import repeated_blocks


def shard(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Split the parameters of `model` in place: each block by itself, then the rest. mesh: Fabric's, of which the
    dimension "data_parallel" is all processes.

    Raises UserError for a model with parameters of no dimension, which cannot be split.
    """
    scalars = [name for name, parameter in model.named_parameters() if parameter.ndim == 0]
    if scalars:
        raise UserError(
            f"train.strategy=fsdp cannot split this model (its parameter {scalars[0]} is a single number); "
            f"set train.strategy=ddp"
        )
    every = mesh["data_parallel"]
    for block in repeated_blocks(model):
        fully_shard(block, mesh=every)
    fully_shard(model, mesh=every)
    return model


def gathered(value: Any) -> Any:
    """Nested plain values and tensors with every split tensor whole. Every process must ask for the same."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {key: gathered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [gathered(item) for item in value]
    return value


def load_whole(model: nn.Module, state: dict[str, Tensor]) -> None:
    """`model.load_state_dict(state)` of whole tensors into a model that may be split."""
    own = model.state_dict()
    model.load_state_dict({name: like(value, own[name]) if name in own else value for name, value in state.items()})


def like(value: Tensor, template: Tensor) -> Tensor:
    """A whole tensor split as `template` is; if that is whole, the tensor itself."""
    if not isinstance(template, DTensor):
        return value
    return distribute_tensor(value.to(template.device), template.device_mesh, template.placements)


def split_optimizer_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """A whole optimiser state dict with its tensors split as the optimiser's parameters are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not any(isinstance(parameter, DTensor) for parameter in parameters):
        return state
    split = {
        index: {
            name: like(value, parameters[index]) if torch.is_tensor(value) and value.ndim else value
            for name, value in values.items()
        }
        for index, values in state["state"].items()
    }
    return {**state, "state": split}


@contextlib.contextmanager
def whole(model: nn.Module) -> Iterator[None]:
    """Inside, every process holds all weights and may use any method of the model, without gradients. Where the
    weights are split, all processes must do the same: what one does alone, its next backward pass waits for in vain.
    """
    parts = _split_parts(model)
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            part.set_reshard_after_forward(True, recurse=False)


def is_split(model: nn.Module) -> bool:
    """Whether `shard` was here."""
    return bool(_split_parts(model))


def _split_parts(model: nn.Module) -> list[FSDPModule]:
    return [cast(FSDPModule, module) for module in model.modules() if isinstance(module, FSDPModule)]
