"""Going on: which checkpoint, agreed on by all processes; whether it fits; weights and optimiser put back. What a file
says is checked before torch is given it. Knows no loop."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from genieredux.errors import UserError
from genieredux.training.loop.saves import Resume, Saves, read_pair
from genieredux.training.machine.moments import MOMENTS, MappedAdamW
from genieredux.training.machine.muon import BUFFER
from genieredux.training.machine.sharding import load_whole, split_optimizer_state

WAY_OUT = "go on from the checkpoint before it (train.resume=previous), or choose another run name"


def find_resume(saves: Saves, wanted: str, kind: str, fabric: Fabric) -> Resume | None:
    """What train.resume asks for. The first process decides (and may move files), the others read what it found.

    Raises UserError on all of them.
    """
    if fabric.world_size == 1:
        return saves.find(wanted, kind)
    found: Resume | None = None
    problem = ""
    if fabric.is_global_zero:
        try:
            found = saves.find(wanted, kind)
        except UserError as error:
            problem = str(error)
    path, problem = fabric.broadcast((str(found.model.path) if found else "", problem))
    if problem:
        raise UserError(problem)
    if not path:
        return None
    return found or read_pair(Path(path), Path(path).with_name(Path(path).name.replace("model-", "state-", 1)), kind)


def check_state(state: Mapping[str, Any], path: Path) -> None:
    """Raises UserError, naming what is wrong, unless these are values that `Supervised.state` gives. path: of the model
    file beside them."""
    right = {
        "optimizer": _is_optimizer(state.get("optimizer")),
        "weights": state.get("weights") is None or _are_tensors(state["weights"]),
        "average": state.get("average") is None or _is_average(state["average"]),
        "precision": state.get("precision") in ("32", "bf16"),
        "recipe": isinstance(state.get("recipe"), dict),
    }
    for name, holds in right.items():
        if not holds:
            raise UserError(f"the training state beside {path} is damaged ({name}); {WAY_OUT}")


def load_weights_of(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Whole weights into a model that may be split. Raises UserError where they do not fit."""
    try:
        load_whole(model, state)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the weights of {path} do not fit the model: {reason}; {WAY_OUT}") from error


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any], path: Path) -> None:
    """Put an optimiser's state back; its settings stay as they are configured now.

    Raises UserError where it is of other parameters: torch believes the shapes, and computes outside of its memory
    where they are wrong.
    """
    parameters = [(one, bool(group["orthogonal"])) for group in optimizer.param_groups for one in group["params"]]
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    there = [len(group["params"]) for group in state["param_groups"]]
    fits = sizes == there and all(
        isinstance(index, int) and 0 <= index < len(parameters) and _fits(values, *parameters[index])
        for index, values in state["state"].items()
    )
    if not fits:
        raise UserError(
            f"the optimiser state beside {path} does not fit the model; set optimizer.kind, optimizer.decay_embeddings "
            f"and train.trainable as they were, or choose another run name"
        )
    moments = state["state"]
    if not isinstance(optimizer, MappedAdamW):  # which copies them into a file of its own
        moments = {index: _copied(values) for index, values in moments.items()}
    numbers = iter(range(len(parameters)))
    groups = [{**group, "params": [next(numbers) for _ in group["params"]]} for group in optimizer.param_groups]
    optimizer.load_state_dict(split_optimizer_state({"state": moments, "param_groups": groups}, optimizer))


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.clone() if torch.is_tensor(value) else value for name, value in values.items()}


def _fits(values: Any, parameter: Tensor, orthogonal: bool) -> bool:
    """Whether these are AdamW's moments of a parameter, or what Muon remembers of it."""
    names = (BUFFER,) if orthogonal else MOMENTS
    if not isinstance(values, dict) or set(values) != {"step", *names}:
        return False
    moments = [values[name] for name in names]
    step = values["step"]
    return ((torch.is_tensor(step) and step.numel() == 1) or isinstance(step, int | float)) and all(
        torch.is_tensor(moment) and moment.shape == parameter.shape and moment.is_floating_point() for moment in moments
    )


def _is_optimizer(values: Any) -> bool:
    """Whether this is an optimiser's state dict; of which parameters is not looked at."""
    if not isinstance(values, dict) or not isinstance(values.get("state"), dict):
        return False
    groups = values.get("param_groups")
    return isinstance(groups, list) and all(
        isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups
    )


def _is_average(values: Any) -> bool:
    return isinstance(values, dict) and isinstance(values.get("updates"), int) and _are_tensors(values.get("values"))


def _are_tensors(values: Any) -> bool:
    return isinstance(values, dict) and all(map(torch.is_tensor, values.values()))
