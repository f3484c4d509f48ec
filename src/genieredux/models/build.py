"""From a kind and a plain configuration to an untrained model: the one place where models are made."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from genieredux.checking import one_of
from genieredux.config import field_names, fields_from_plain, from_plain
from genieredux.errors import UserError
from genieredux.models.checkpoint import Section
from genieredux.models.dynamics.canvas.model import CanvasDynamics
from genieredux.models.dynamics.history_refiner import HistoryRefiner
from genieredux.models.dynamics.maskgit import MaskGIT
from genieredux.models.latent.actions import ConvLatentActions, LatentActionModel, STLatentActions
from genieredux.models.latent.genie_redux import GenieRedux, GenieReduxConfig
from genieredux.models.latent.motion import MotionLatentActions
from genieredux.models.tokenizers.conv import ConvTokenizer
from genieredux.models.tokenizers.protocol import Tokenizer
from genieredux.models.tokenizers.st_vivit import STViViT
from genieredux.nn.memory import free_memory, gib
from genieredux.settings import Settings, check_values

MODELS: dict[str, dict[str, Any]] = {
    "tokenizer": {"st_vivit": STViViT, "conv": ConvTokenizer},
    "lam": {"st_vivit": STLatentActions, "conv": ConvLatentActions, "motion": MotionLatentActions},
    "dynamics": {"history_refiner": HistoryRefiner, "st_maskgit": MaskGIT, "canvas": CanvasDynamics},
}
"""The classes of a part by their `architecture`; the first is what a configuration without one means. Each says in
`settings` what its settings are, and is made of those alone; a dynamics by `made_for(settings, tokenizer,
num_actions)`, and `of_vectors(width)` are the settings with which it takes vectors instead of actions, where it can.
A dynamics whose settings say `needs_tokenizer = False` is made of frames alone.
"""
PARTS = {
    "tokenizer": "tokenizer",
    "latent_action_model": "lam",
    "genie_redux_guided": "dynamics",
}
KINDS = ("tokenizer", "latent_action_model", "genie_redux", "genie_redux_guided")


def settings_of(part: str, values: Mapping[str, Any]) -> Any:
    """The typed settings of a part (a key of MODELS) from plain values, which may leave out what has a default.

    Raises UserError that names the key and the nearest valid one.
    """
    return from_plain(_schema(part, values), values, part)


def settings_known(part: str, values: Mapping[str, Any]) -> list[str]:
    """The names of the settings of a part that is built as `values` say."""
    return field_names(_schema(part, values))


def check_settings(kind: str, given: Mapping[str, Any]) -> None:
    """Raises UserError, naming the key and the nearest, for settings that no model of this kind can have.

    kind: one of KINDS. given: as for `build_model`, or a part of it: the rest may come from a checkpoint. Nothing is
    built or read.
    """
    if kind in PARTS:
        return _check_part(PARTS[kind], given)
    if kind not in KINDS:
        one_of("model", kind, KINDS)
    for part, values in given.items():
        if part in ("lam", "dynamics"):
            _check_part(part, values)
        else:
            check_values(
                GenieReduxConfig, fields_from_plain(GenieReduxConfig, {part: values}, ""), GenieReduxConfig.where
            )


def _check_part(part: str, given: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{part} is {given!r}; it holds settings such as {part}.architecture=...")
    if "architecture" in given:
        schemas = [_schema(part, given)]
    else:  # a part of a configuration that a checkpoint completes: whichever knows most of the keys says what is wrong
        every = [model.settings for model in MODELS[part].values()]
        schemas = sorted(every, key=lambda schema: -len(set(given) & set(field_names(schema))))
    problem: UserError | None = None
    for schema in schemas:
        try:
            return check_values(schema, fields_from_plain(schema, given, part), schema.where)
        except UserError as error:
            problem = problem or error
    if problem:
        raise problem


def _schema(part: str, values: Mapping[str, Any]) -> type[Settings]:
    schema: type[Settings] = _model(part, values).settings
    return schema


def _model(part: str, values: Mapping[str, Any]) -> Any:
    name = values.get("architecture") or implied(part)
    one_of(f"{part}.architecture", name, MODELS[part])
    return MODELS[part][name]


def needs_tokenizer(kind: str, config: Mapping[str, Any]) -> bool:
    """Whether a world of this kind (genie_redux_guided or genie_redux) and configuration stands on a tokenizer."""
    values = config["dynamics"] if kind == "genie_redux" else config
    return bool(getattr(_schema("dynamics", values), "needs_tokenizer", True))


def implied(part: str) -> str:
    """The architecture of a configuration that names none."""
    return next(iter(MODELS[part]))


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
    unknown kind or field, and for a model whose weights alone are more than the memory that is free: nothing is
    allocated then.
    """
    with torch.device("meta"):
        sketch = _build(kind, config, tokenizer, action_names)
    _check_memory(sketch, config)
    return _build(kind, config, tokenizer, action_names)


def restore(section: Section, source: str | Path, *, shared: bool = False, **parts: Any) -> nn.Module:
    """The model in a section of a file, frozen and in evaluation mode. parts: as `build_model` has them.

    source: where the section is from. shared: the model's weights are the section's own tensors, which saves as much
    memory as they take; for a model that nobody changes. Raises UserError where the weights do not fit the
    configuration.
    """
    model = build_model(section.kind, section.config, **parts)
    load_state(model, section.state_dict, source, assign=shared)
    return model.eval().requires_grad_(False)


def load_state(model: nn.Module, state: Mapping[str, Tensor], source: str | Path, *, assign: bool = False) -> None:
    """`model.load_state_dict`, with one line as UserError where it does not fit."""
    try:
        model.load_state_dict(state, assign=assign)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the weights in {source} do not fit the configuration: {reason}") from error


def _check_memory(sketch: nn.Module, config: Mapping[str, Any]) -> None:
    """sketch: the model without storage."""
    count = sum(parameter.numel() for parameter in sketch.parameters())
    needed, free = 4 * count, free_memory()
    if needed > free:
        sizes = {name: value for name, value in _flat(config) if isinstance(value, int) and value > 1}
        largest = sorted(sizes, key=lambda name: -sizes[name])[:4]
        raise UserError(
            f"a model of these settings has {count:.3g} weights, which take {gib(needed)}, and {gib(free)} of memory "
            f"are free; make it smaller ({', '.join(f'{name}={sizes[name]}' for name in largest)})"
        )


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", item) for inner, item in _flat(value))
        else:
            yield name, value


def _build(
    kind: str, config: Mapping[str, Any], tokenizer: Tokenizer | None, action_names: Sequence[str] | None
) -> nn.Module:
    if kind == "tokenizer":
        return _of_settings("tokenizer", config)
    if kind == "latent_action_model":
        return _of_settings("lam", config)
    if kind not in KINDS:
        raise UserError(f"there is no model of kind '{kind}'; choose one of {', '.join(KINDS)}")
    if tokenizer is None and needs_tokenizer(kind, config):
        raise ValueError("a dynamics of tokens is built for a tokenizer: pass it")
    if kind == "genie_redux":
        return _build_genie_redux(config, tokenizer)
    if action_names is None:
        raise ValueError("a dynamics is built for its actions: pass them")
    return cast(nn.Module, _build_dynamics(config, tokenizer, len(action_names)))


def _of_settings(part: str, config: Mapping[str, Any]) -> Any:
    return _model(part, config)(settings_of(part, config))


def _build_genie_redux(config: Mapping[str, Any], tokenizer: Tokenizer | None) -> GenieRedux:
    """Both parts, the dynamics made for the vectors of the latent action model's codes."""
    lam: LatentActionModel = _of_settings("lam", config["lam"])
    model = _model("dynamics", config["dynamics"])
    if not hasattr(model, "of_vectors"):
        raise UserError(f"dynamics.architecture={config['dynamics']['architecture']} takes no latent actions")
    settings = {**config["dynamics"], **model.of_vectors(lam.config.dim)}
    dynamics = _build_dynamics(settings, tokenizer, lam.num_codes)
    return GenieRedux(GenieReduxConfig(lam.config, dynamics.config, config.get("lam_weight", 1.0)), lam, dynamics)


def _build_dynamics(config: Mapping[str, Any], tokenizer: Tokenizer | None, num_actions: int) -> Any:
    return _model("dynamics", config).made_for(settings_of("dynamics", config), tokenizer, num_actions)
