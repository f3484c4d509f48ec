"""From a kind and a plain configuration to an untrained model: the one place where models are made."""

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from genieredux.errors import UserError
from genieredux.models.conv_tokenizer import ConvTokenizer, ConvTokenizerConfig
from genieredux.models.dynamics import Dynamics, DynamicsConfig
from genieredux.models.protocol import Tokenizer
from genieredux.models.st_tokenizer import STTokenizer, STTokenizerConfig

TOKENIZERS = {"conv": (ConvTokenizer, ConvTokenizerConfig), "st_vivit": (STTokenizer, STTokenizerConfig)}
KINDS = ("tokenizer", "genie_redux_guided")


def build_model(
    kind: str,
    config: Mapping[str, Any],
    *,
    tokenizer: Tokenizer | None = None,
    action_names: Sequence[str] | None = None,
) -> nn.Module:
    """An untrained model.

    kind: one of KINDS. config: its fields; a tokenizer's `architecture` is "st_vivit" (the default) or "conv".
    tokenizer, action_names: what a dynamics is made for. Raises UserError for an unknown kind or field.
    """
    if kind == "tokenizer":
        name = config.get("architecture", "st_vivit")
        if name not in TOKENIZERS:
            raise UserError(f"tokenizer.architecture is '{name}'; choose one of {', '.join(TOKENIZERS)}")
        model, fields = TOKENIZERS[name]
        return model(make_config(fields, config, "tokenizer"))
    if kind == "genie_redux_guided":
        if tokenizer is None or action_names is None:
            raise ValueError("a dynamics is built for a tokenizer and its actions: pass both")
        settings = make_config(DynamicsConfig, config, "dynamics")
        return Dynamics(settings, tokenizer.code_vectors(), tokenizer.grid, len(action_names))
    raise UserError(f"there is no model of kind '{kind}'; choose one of {', '.join(KINDS)}")


def make_config(cls: type, values: Mapping[str, Any], where: str) -> Any:
    """`cls(**values)` with lists as tuples; UserError for a field it does not have, naming the nearest."""
    names = [item.name for item in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            raise UserError(f"{where}.{key} is no setting; did you mean {where}.{near[0]}?")
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
