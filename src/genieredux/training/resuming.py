"""Going on: which checkpoint, agreed on by all processes; whether it fits; its state put back. Knows no loop."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from genieredux.errors import UserError
from genieredux.training.saves import Resume, Saves, read_pair
from genieredux.training.sharding import split_optimizer_state

logger = logging.getLogger(__name__)


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


def check_resume(resume: Resume, config: dict[str, Any], recipe: dict[str, Any]) -> None:
    """Raises UserError where the model is another one; warns where the run will not be what it would have been."""
    resume.check_config(config)
    changed = {key: value for key, value in resume.state["recipe"].items() if recipe.get(key) != value}
    if changed:
        logger.warning("the run was begun with %s: it goes on, but not as if it had never stopped", changed)


def restore_optimizer(optimizer: torch.optim.Optimizer, resume: Resume) -> None:
    """Put the optimiser's state back; its settings stay as they are configured now. Raises UserError."""
    keys = ("weight_decay", "betas", "eps")
    groups = [{key: group[key] for key in keys} for group in optimizer.param_groups]
    try:
        optimizer.load_state_dict(split_optimizer_state(resume.state["optimizer"], optimizer))
    except ValueError as error:
        raise UserError(
            f"the optimiser state beside {resume.model.path} does not fit ({error}); set "
            f"optimizer.decay_embeddings and train.trainable as they were, or choose another run name"
        ) from error
    for group, configured in zip(optimizer.param_groups, groups, strict=True):
        group.update(configured)
