"""Beginning from a checkpoint: its configuration where the command leaves it open, its weights, what it says of
actions. Knows configurations as dictionaries and no particular model.
"""

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from genieredux.episodes import DatasetSpec
from genieredux.errors import UserError
from genieredux.models.build import implied, load_state
from genieredux.models.checkpoint import CheckpointData

logger = logging.getLogger(__name__)


def begun_from(start: Mapping[str, Any] | None, given: Mapping[str, Any], group: str, source: str) -> dict[str, Any]:
    """The configuration of a model that begins with the weights of another: that one's, changed by what the command
    gives. start: the other's configuration, or None; group: the command's key for `given`; source: of `start`.

    Raises UserError where the command asks for another architecture.
    """
    if start is None:
        return dict(given)
    asked, there = given.get("architecture"), start.get("architecture")
    if asked is not None and asked != (there or implied(group)):
        raise UserError(
            f"{source} holds a model with {group}.architecture={there or implied(group)}, but the configuration says "
            f"{asked}; leave {group}.architecture out, or begin from another file"
        )
    own = {key: value for key, value in given.items() if key != "architecture" or there is not None}
    return {**start, **own}


def load_weights(model: nn.Module, data: CheckpointData) -> None:
    """Begin with the weights of a file. Raises UserError where they do not fit."""
    load_state(model, data.state_dict, data.path)
    logger.info("starting from the weights of %s (step %d)", data.path, data.step)


def load_what_fits(model: nn.Module, data: CheckpointData) -> None:
    """Begin with those weights of a file that have a place of their name and shape. Raises UserError where none has."""
    own = model.state_dict()
    fit = {name: value for name, value in data.state_dict.items() if name in own and own[name].shape == value.shape}
    if not fit:
        raise UserError(f"{data.path} holds no weights that fit; begin from another file, or without model_fpath")
    model.load_state_dict({**own, **fit})
    new = sorted(set(own) - set(fit))
    logger.info("starting from the weights of %s (step %d); new are %s", data.path, data.step, ", ".join(new) or "none")


def check_actions(start: CheckpointData | None, spec: DatasetSpec) -> None:
    """Raises UserError where a model that is begun from knows another number of actions than the data set; warns
    where they have other names.
    """
    before = list((start.metadata.get("action_names") if start else None) or ())
    now = list(spec.action_names or ())
    if not start or not before or before == now:
        return
    if len(before) != len(now):
        raise UserError(
            f"{start.path} knows the {len(before)} actions {', '.join(before)}, and {spec.name} has {len(now)}: "
            f"{', '.join(now)}; begin from another model, or train without model_fpath"
        )
    logger.warning(
        "%s was trained on the actions %s, and these are %s: they are taken one for one, in this order",
        start.path,
        ", ".join(before),
        ", ".join(now),
    )
