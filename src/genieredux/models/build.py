"""From a kind and a plain configuration to an untrained model: the one place where models are made."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from genieredux.errors import UserError
from genieredux.models.conv_tokenizer import ConvTokenizer, ConvTokenizerConfig
from genieredux.models.dynamics import Dynamics, DynamicsConfig
from genieredux.models.genie_redux import GenieRedux, GenieReduxConfig
from genieredux.models.latent_actions import (
    ConvLatentActionConfig,
    ConvLatentActions,
    LatentActionModel,
    STLatentActionConfig,
    STLatentActions,
)
from genieredux.models.protocol import Tokenizer
from genieredux.models.st_dynamics import STDynamics
from genieredux.models.st_dynamics_config import STDynamicsConfig
from genieredux.models.st_tokenizer import STTokenizer, STTokenizerConfig

TOKENIZERS = {"conv": (ConvTokenizer, ConvTokenizerConfig), "st_vivit": (STTokenizer, STTokenizerConfig)}
DYNAMICS = ("history_refiner", "st_maskgit")
LATENT_ACTIONS = {
    "conv": (ConvLatentActions, ConvLatentActionConfig),
    "st_vivit": (STLatentActions, STLatentActionConfig),
}
KINDS = ("tokenizer", "latent_action_model", "genie_redux", "genie_redux_guided")


def build_model(
    kind: str,
    config: Mapping[str, Any],
    *,
    tokenizer: Tokenizer | None = None,
    action_names: Sequence[str] | None = None,
) -> nn.Module:
    """An untrained model.

    kind: one of KINDS. config: its fields; the `architecture` of a tokenizer or a latent action model is "st_vivit"
    (the default) or "conv", a dynamics' "history_refiner" (the default) or "st_maskgit". That of genie_redux holds
    `lam`, `dynamics` and `lam_weight`.
    tokenizer, action_names: what a dynamics is made for (latent actions have no names). Raises UserError for an
    unknown kind or field.
    """
    if kind == "tokenizer":
        return _one_of(TOKENIZERS, config, "tokenizer")
    if kind == "latent_action_model":
        return _one_of(LATENT_ACTIONS, config, "lam")
    if kind == "genie_redux":
        if tokenizer is None:
            raise ValueError("a dynamics is built for a tokenizer: pass it")
        return _build_genie_redux(config, tokenizer)
    if kind == "genie_redux_guided":
        if tokenizer is None or action_names is None:
            raise ValueError("a dynamics is built for a tokenizer and its actions: pass both")
        return _build_dynamics(config, tokenizer, len(action_names))
    raise UserError(f"there is no model of kind '{kind}'; choose one of {', '.join(KINDS)}")


def _one_of(models: Mapping[str, tuple[type, type]], config: Mapping[str, Any], where: str) -> nn.Module:
    name = config.get("architecture", "st_vivit")
    if name not in models:
        raise UserError(f"{where}.architecture is '{name}'; choose one of {', '.join(models)}")
    model, fields = models[name]
    return model(make_config(fields, config, where))


def _build_genie_redux(config: Mapping[str, Any], tokenizer: Tokenizer) -> GenieRedux:
    """Both parts, the dynamics made for the vectors of the latent action model's codes."""
    lam = _one_of(LATENT_ACTIONS, config["lam"], "lam")
    assert isinstance(lam, LatentActionModel)
    settings, width = dict(config["dynamics"]), lam.config.dim
    if settings.get("architecture", "history_refiner") == "st_maskgit":
        settings |= {"action_input": "given", "action_dim": width}
    else:
        settings |= {"action_width": width}
    dynamics = _build_dynamics(settings, tokenizer, lam.num_codes)
    whole = GenieReduxConfig(
        lam=dataclasses.asdict(lam.config),
        dynamics=dataclasses.asdict(dynamics.config),  # type: ignore[call-overload]
        lam_weight=config.get("lam_weight", 1.0),
    )
    return GenieRedux(whole, lam, dynamics)


def _build_dynamics(config: Mapping[str, Any], tokenizer: Tokenizer, num_actions: int) -> nn.Module:
    name = config.get("architecture", "history_refiner")
    if name == "st_maskgit":
        settings = make_config(STDynamicsConfig, config, "dynamics")
        return STDynamics(settings, tokenizer.code_vectors(), tokenizer.grid, num_actions, tokenizer)
    if name != "history_refiner":
        raise UserError(f"dynamics.architecture is '{name}'; choose one of {', '.join(DYNAMICS)}")
    fields = {key: value for key, value in config.items() if key != "architecture"}
    return Dynamics(
        make_config(DynamicsConfig, fields, "dynamics"), tokenizer.code_vectors(), tokenizer.grid, num_actions
    )


def make_config(cls: type, values: Mapping[str, Any], where: str) -> Any:
    """`cls(**values)` with lists as tuples; UserError for a field it does not have, naming the nearest."""
    names = [item.name for item in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            raise UserError(f"{where}.{key} is no setting; did you mean {where}.{near[0]}?")
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
